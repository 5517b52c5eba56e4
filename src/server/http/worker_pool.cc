#include "server/http/worker_pool.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "server/http/beast.h"

namespace pelton {

class WorkerPool::Impl {
 public:
  explicit Impl(const WorkerPoolOptions& options)
      : options_(options), threads_(static_cast<size_t>(options.thread_count)) {}

  void post(size_t bytes, std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      if (job_count_ >= options_.job_count_max || job_bytes_ + bytes > options_.job_bytes_max) {
        throw Error(ErrorCode::kResourceExhausted, "too many requests wait to be read already; try again later");
      }
      ++job_count_;
      job_bytes_ += bytes;
    }
    asio::post(threads_, [this, bytes, work = std::move(work)] {
      work();
      const std::lock_guard lock(mutex_);
      --job_count_;
      job_bytes_ -= bytes;
    });
  }

  void stop() {
    threads_.stop();
    threads_.join();
  }

 private:
  const WorkerPoolOptions options_;
  std::mutex mutex_;  // guards what follows
  int64_t job_count_ = 0;
  size_t job_bytes_ = 0;
  asio::thread_pool threads_;  // the last: its jobs use all above
};

WorkerPool::WorkerPool(const WorkerPoolOptions& options) : impl_(std::make_unique<Impl>(options)) {}
WorkerPool::~WorkerPool() { stop(); }
void WorkerPool::post(size_t bytes, std::function<void()> work) { impl_->post(bytes, std::move(work)); }
void WorkerPool::stop() { impl_->stop(); }

}  // namespace pelton
