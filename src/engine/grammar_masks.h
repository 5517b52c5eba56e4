// Computes the masks of a step's rows on a thread of its own, beside the forward pass: a mask follows from the tokens
// before, as the logits do. It opens no parallel region; where the pass is done first, its thread takes what is left.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "text/grammar.h"

namespace pelton {

// Of one row.
struct MaskJob {
  GrammarState* state;
  std::vector<uint32_t>* words;  // that state->mask() fills
  std::exception_ptr error;      // null: none
};

struct MaskStatistics {
  int64_t mask_count = 0;
  Duration mask_time{};  // of computing them, on whichever thread
  Duration wait_time{};  // that steps waited for them or computed them, with everything else done
};

class GrammarMasks {
 public:
  // The thread starts with the first job. `clock` must outlive this.
  explicit GrammarMasks(const Clock& clock) : clock_(clock) {}
  ~GrammarMasks();
  GrammarMasks(const GrammarMasks&) = delete;
  GrammarMasks& operator=(const GrammarMasks&) = delete;

  // The caller's between start() and the return of finish(), which must follow. What goes wrong with one stays in its
  // `error`.
  void start(std::vector<MaskJob> jobs);
  // All masks are there when it returns. Once more: at once, the same.
  const std::vector<MaskJob>& finish();

  const MaskStatistics& statistics() const { return statistics_; }

 private:
  void run();
  // With the lock. False: none is left.
  bool work_on_next(std::unique_lock<std::mutex>& lock);

  const Clock& clock_;
  MaskStatistics statistics_;  // with mutex_, but for wait_time
  std::vector<MaskJob> jobs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t begun_count_ = 0;
  size_t done_count_ = 0;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace pelton
