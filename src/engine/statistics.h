// What the engine has done and is doing, as numbers.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace pelton {

struct EngineStatistics {
  int64_t running_count = 0;
  int64_t waiting_count = 0;
  int64_t pages_used = 0;
  int64_t pages_total = 0;
  int64_t step_count = 0;
  int64_t step_row_count = 0;  // rows of all steps: step_row_count / step_count is the mean batch
  int64_t preemption_count = 0;
  int64_t mask_count = 0;     // of grammars
  Duration mask_time{};       // of computing them, beside the model
  Duration mask_wait_time{};  // of steps that had nothing else to do
};

}  // namespace pelton
