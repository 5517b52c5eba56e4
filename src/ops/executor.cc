#include "ops/executor.h"

#include <algorithm>

#include "base/check.h"
#include "base/cpu.h"

#if defined(PELTON_OPENMP)
#include <omp.h>
#else
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace pelton {

Range split_range(int64_t count, int64_t grain, int part, int part_count) {
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t begin = grains * part / part_count * grain;
  const int64_t end = grains * (part + 1) / part_count * grain;
  return {std::min(begin, count), std::min(end, count)};
}

namespace {

thread_local bool is_in_region = false;

// Runs one part of a region. noexcept: an exception has nowhere to go from here.
void run_part(FunctionRef<void(int, int)> body, int thread, int thread_count) noexcept {
  is_in_region = true;
  body(thread, thread_count);
  is_in_region = false;
}

}  // namespace

void Executor::parallel(FunctionRef<void(int, int)> body) {
  CHECK(!is_in_region);
  run_region(body);
}

void Executor::parallel_for(int64_t count, int64_t grain, FunctionRef<void(Range)> body) {
  if (count <= 0) return;
  CHECK(!is_in_region);
  const auto run = [&](int thread, int thread_count) {
    const Range range = split_range(count, grain, thread, thread_count);
    if (range.begin < range.end) body(range);
  };
  if (count <= grain) return run_part(run, 0, 1);
  run_region(run);
}

std::byte* Executor::scratch(int64_t bytes) {
  CHECK(!is_in_region);
  if (static_cast<int64_t>(scratch_.size()) < bytes) scratch_ = AlignedArray<std::byte>(static_cast<size_t>(bytes));
  return scratch_.data();
}

#if defined(PELTON_OPENMP)

class Executor::Team {};

Executor::Executor(int thread_count) : thread_count_(thread_count > 0 ? thread_count : usable_core_count()) {}

Executor::~Executor() = default;

void Executor::run_region(FunctionRef<void(int, int)> body) {
  const int wanted = thread_count_;
  if (wanted == 1) {
    omp_set_num_threads(1);  // outside of a region, oneDNN called by `body` would open its own
    return run_part(body, 0, 1);
  }
#pragma omp parallel num_threads(wanted)
  {
    // OpenMP may give fewer threads than asked for (a limit of the system): every part still runs.
    const int given = omp_get_num_threads();
    for (int part = omp_get_thread_num(); part < wanted; part += given) run_part(body, part, wanted);
  }
}

#else

// Workers sleep on a condition variable between regions. Slower than OpenMP's team and visible to ThreadSanitizer.
class Executor::Team {
 public:
  explicit Team(int thread_count) {
    for (int thread = 1; thread < thread_count; ++thread) {
      workers_.emplace_back([this, thread, thread_count] { work(thread, thread_count); });
    }
  }
  ~Team() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    start_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  void run(FunctionRef<void(int, int)> body) {
    {
      const std::lock_guard lock(mutex_);
      body_ = &body;
      ++generation_;
      running_count_ = static_cast<int>(workers_.size());
    }
    start_.notify_all();
    run_part(body, 0, static_cast<int>(workers_.size()) + 1);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return running_count_ == 0; });
  }

 private:
  void work(int thread, int thread_count) {
    uint64_t seen = 0;
    for (;;) {
      const FunctionRef<void(int, int)>* body = nullptr;
      {
        std::unique_lock lock(mutex_);
        start_.wait(lock, [&] { return is_stopping_ || generation_ != seen; });
        if (is_stopping_) return;
        seen = generation_;
        body = body_;
      }
      run_part(*body, thread, thread_count);
      {
        const std::lock_guard lock(mutex_);
        --running_count_;
      }
      done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::vector<std::thread> workers_;
  const FunctionRef<void(int, int)>* body_ = nullptr;
  uint64_t generation_ = 0;
  int running_count_ = 0;
  bool is_stopping_ = false;
};

Executor::Executor(int thread_count) : thread_count_(thread_count > 0 ? thread_count : usable_core_count()) {
  team_ = new Team(thread_count_);
}

Executor::~Executor() { delete team_; }

void Executor::run_region(FunctionRef<void(int, int)> body) {
  if (thread_count_ == 1) return run_part(body, 0, 1);
  team_->run(body);
}

#endif

}  // namespace pelton
