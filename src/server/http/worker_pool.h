// Threads for what would hold an I/O thread too long: reading a request's body as JSON, rendering, tokenising.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace pelton {

struct WorkerPoolOptions {
  int thread_count = 2;          // one long prompt does not stop the others; the cores belong to the engine
  int64_t job_count_max = 1024;  // that wait or run
  size_t job_bytes_max = size_t{256} << 20;
  int waiter_count_max = 64;  // jobs that wait for something else at once, each with its thread
};

class WorkerPool {
 public:
  explicit WorkerPool(const WorkerPoolOptions& options = {});
  // stop().
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread. Runs `work`, which must not throw, on one of the threads; `bytes` is what it keeps in memory until
  // then. Error kResourceExhausted: there are too many jobs, or bytes, already.
  void post(size_t bytes, std::function<void()> work);
  // From a job: runs `wait`, which computes nothing worth mentioning itself, while another thread does the other jobs,
  // then takes its turn among them again. Error kResourceExhausted: waiter_count_max do so already. Else what `wait`
  // throws.
  void wait_aside(const std::function<void()>& wait);
  // Drops what has not begun and waits for what has. Not from a job; a second call does nothing.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
