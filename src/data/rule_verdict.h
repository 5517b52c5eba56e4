// A broken rule of quality as what a step says about a record.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "data/quality_filters.h"
#include "data/step.h"

namespace pelton::data {

inline Verdict verdict_of(const std::optional<BrokenRule>& broken) {
  if (!broken) return Verdict::keep();
  return Verdict::drop(broken->name, fmt::format("{:.4g}, bound {:.4g}", broken->value, broken->bound));
}

}  // namespace pelton::data
