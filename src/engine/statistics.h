// What the engine has done and is doing, as numbers.
#pragma once

#include <cstdint>

namespace pelton {

struct EngineStatistics {
  int64_t running_count = 0;
  int64_t waiting_count = 0;
  int64_t pages_used = 0;
  int64_t pages_total = 0;
  int64_t step_count = 0;
  int64_t step_row_count = 0;  // rows of all steps: step_row_count / step_count is the mean batch
  int64_t preemption_count = 0;
};

}  // namespace pelton
