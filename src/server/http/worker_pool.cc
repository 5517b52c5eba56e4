#include "server/http/worker_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pelton {

class WorkerPool::Impl {
 public:
  explicit Impl(const WorkerPoolOptions& options) : options_(options) {
    const std::lock_guard lock(mutex_);
    add_threads();
  }

  void post(size_t bytes, std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (job_count_ >= options_.job_count_max || job_bytes_ + bytes > options_.job_bytes_max) {
      throw Error(ErrorCode::kResourceExhausted, "too many requests wait to be read already; try again later");
    }
    if (is_stopping_) return;
    ++job_count_;
    job_bytes_ += bytes;
    jobs_.push_back({bytes, std::move(work)});
    changed_.notify_all();
  }

  void wait_aside(const std::function<void()>& wait) {
    {
      const std::lock_guard lock(mutex_);
      if (waiter_count_ >= options_.waiter_count_max) {
        throw Error(ErrorCode::kResourceExhausted, "too many requests wait for their model already; try again later");
      }
      ++waiter_count_;
    }
    const Waiter waiter(*this);
    {
      const std::lock_guard lock(mutex_);
      add_threads();
      changed_.notify_all();
    }
    wait();
  }

  void stop() {
    std::vector<std::thread> threads;
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
      jobs_.clear();
      threads.swap(threads_);
      changed_.notify_all();
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  struct Job {
    size_t bytes;
    std::function<void()> work;
  };
  // Leaves the wait once its thread may work again.
  class Waiter {
   public:
    explicit Waiter(Impl& impl) : impl_(impl) {}
    ~Waiter() {
      std::unique_lock lock(impl_.mutex_);
      impl_.changed_.wait(lock, [this] { return impl_.is_stopping_ || impl_.has_place(); });
      --impl_.waiter_count_;
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    Impl& impl_;
  };

  // With the mutex: as many threads as can work, whoever waits. A thread stays to the end: there are at most
  // waiter_count_max too many, which sleep.
  void add_threads() {
    const size_t wanted = static_cast<size_t>(options_.thread_count) + static_cast<size_t>(waiter_count_);
    while (!is_stopping_ && threads_.size() < wanted) threads_.emplace_back([this] { work(); });
  }

  bool has_place() const { return running_count_ - waiter_count_ < options_.thread_count; }
  bool may_work() const { return !jobs_.empty() && has_place(); }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return is_stopping_ || may_work(); });
      if (is_stopping_) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      ++running_count_;
      lock.unlock();
      job.work();
      job.work = nullptr;  // what it holds goes without the mutex
      lock.lock();
      --running_count_;
      --job_count_;
      job_bytes_ -= job.bytes;
      changed_.notify_all();  // a job that waits, or one that has waited and goes on
    }
  }

  const WorkerPoolOptions options_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Job> jobs_;  // that have not begun
  int64_t job_count_ = 0;
  size_t job_bytes_ = 0;
  int running_count_ = 0;  // jobs that have begun, also those that wait
  int waiter_count_ = 0;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

WorkerPool::WorkerPool(const WorkerPoolOptions& options) : impl_(std::make_unique<Impl>(options)) {}
WorkerPool::~WorkerPool() { stop(); }
void WorkerPool::post(size_t bytes, std::function<void()> work) { impl_->post(bytes, std::move(work)); }
void WorkerPool::wait_aside(const std::function<void()>& wait) { impl_->wait_aside(wait); }
void WorkerPool::stop() { impl_->stop(); }

}  // namespace pelton
