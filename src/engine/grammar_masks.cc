#include "engine/grammar_masks.h"

#include <utility>

#include "base/check.h"

namespace pelton {

GrammarMasks::~GrammarMasks() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GrammarMasks::start(std::vector<MaskJob> jobs) {
  CHECK(done_count_ == jobs_.size());
  {
    const std::lock_guard lock(mutex_);
    jobs_ = std::move(jobs);
    begun_count_ = done_count_ = 0;
  }
  if (jobs_.empty()) return;
  if (!thread_.joinable()) thread_ = std::thread(&GrammarMasks::run, this);
  changed_.notify_all();
}

const std::vector<MaskJob>& GrammarMasks::finish() {
  const TimePoint start = clock_.now();
  std::unique_lock lock(mutex_);
  if (done_count_ == jobs_.size()) return jobs_;
  while (work_on_next(lock)) {
  }
  changed_.wait(lock, [this] { return done_count_ == jobs_.size(); });
  statistics_.wait_time += clock_.now() - start;
  return jobs_;
}

void GrammarMasks::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    if (!work_on_next(lock)) changed_.wait(lock);
  }
}

bool GrammarMasks::work_on_next(std::unique_lock<std::mutex>& lock) {
  if (begun_count_ == jobs_.size()) return false;
  MaskJob& job = jobs_[begun_count_++];
  lock.unlock();
  const TimePoint start = clock_.now();
  try {
    job.state->mask(*job.words);
  } catch (...) {
    job.error = std::current_exception();
  }
  const Duration time = clock_.now() - start;
  lock.lock();
  ++statistics_.mask_count;
  statistics_.mask_time += time;
  if (++done_count_ == jobs_.size()) changed_.notify_all();
  return true;
}

}  // namespace pelton
