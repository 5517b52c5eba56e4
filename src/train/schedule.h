// The learning rate of each step, as a share of the recipe's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pelton {

enum class ScheduleKind : uint8_t {
  kConstant,
  kLinear,  // down to the least share
  kCosine,  // along half a cosine, likewise (Loshchilov, Hutter 2016, arXiv 1608.03983)
  kWsd,     // warm-up, stable, decay (Hu et al. 2024, arXiv 2404.06395): linear over the last steps
};
std::optional<ScheduleKind> parse_schedule(std::string_view name);  // "wsd"
std::string schedule_names();                                       // for messages

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  int64_t steps = 1;         // all of them
  int64_t warmup_steps = 0;  // linear from 1/n of the rate at the first of n to all of it at the last
  int64_t decay_steps = 0;   // of kWsd
  double least = 0;          // share that is left at the end of a decay

  // step: from 0.
  double share_at(int64_t step) const;
};

}  // namespace pelton
