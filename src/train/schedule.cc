#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace pelton {
namespace {

struct Named {
  std::string_view name;
  ScheduleKind kind;
};
constexpr Named kSchedules[] = {{"constant", ScheduleKind::kConstant},
                                {"linear", ScheduleKind::kLinear},
                                {"cosine", ScheduleKind::kCosine},
                                {"wsd", ScheduleKind::kWsd}};

}  // namespace

std::optional<ScheduleKind> parse_schedule(std::string_view name) {
  for (const Named& schedule : kSchedules) {
    if (schedule.name == name) return schedule.kind;
  }
  return std::nullopt;
}

std::string schedule_names() {
  std::string names;
  for (const Named& schedule : kSchedules) names += (names.empty() ? "" : ", ") + std::string(schedule.name);
  return names;
}

double Schedule::share_at(int64_t step) const {
  if (step < warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  // The first step after the warm-up is at 0, and 1 would be the step after the last.
  const auto progress = [&](int64_t first, int64_t count) {
    return std::clamp(static_cast<double>(step - first) / static_cast<double>(std::max<int64_t>(count, 1)), 0.0, 1.0);
  };
  const auto down = [&](double share) { return least + (1 - least) * share; };
  switch (kind) {
    case ScheduleKind::kConstant:
      return 1;
    case ScheduleKind::kLinear:
      return down(1 - progress(warmup_steps, steps - warmup_steps));
    case ScheduleKind::kCosine:
      return down(0.5 * (1 + std::cos(std::numbers::pi * progress(warmup_steps, steps - warmup_steps))));
    case ScheduleKind::kWsd:
      return step < steps - decay_steps ? 1 : down(1 - progress(steps - decay_steps, decay_steps));
  }
  PELTON_UNREACHABLE();
}

}  // namespace pelton
