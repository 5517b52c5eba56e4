// What the engine has done and is doing, as numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace pelton {

// Of a step's rows; a step with more than the last is in a bucket of its own. vLLM's.
inline constexpr std::array<int64_t, 13> kStepRowBounds = {1,   8,    16,   32,   64,   128,  256,
                                                           512, 1024, 2048, 4096, 8192, 16384};

struct EngineStatistics {
  int64_t running_count = 0;
  int64_t waiting_count = 0;
  int64_t pages_used = 0;
  int64_t pages_kept = 0;  // by the prefix cache alone; not among those used
  int64_t pages_total = 0;
  int64_t step_count = 0;
  int64_t step_row_count = 0;  // rows of all steps: step_row_count / step_count is the mean batch
  std::array<int64_t, kStepRowBounds.size() + 1> steps_by_rows = {};  // by the first bound that they do not pass
  int64_t preemption_count = 0;
  int64_t prompt_token_count = 0;  // of all prompts that were begun
  int64_t cached_token_count = 0;  // of these, found in the prefix cache
  int64_t mask_count = 0;          // of grammars
  Duration mask_time{};            // of computing them, beside the model
  Duration mask_wait_time{};       // of steps that had nothing else to do
};

}  // namespace pelton
