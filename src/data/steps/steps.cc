// The list of all steps: one line each.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/step.h"

namespace pelton::data {

Step make_exact(StepOptions& options);
Step make_minhash(StepOptions& options);

namespace {

constexpr StepType kSteps[] = {
    {"exact", "Drops records whose text another one has", make_exact},
    {"minhash", "Drops records that are nearly another one (MinHash, verified)", make_minhash},
};

}  // namespace

std::span<const StepType> step_types() { return kSteps; }

Step make_step(std::string_view name, StepOptions& options) {
  for (const StepType& type : kSteps) {
    if (type.name != name) continue;
    Step step = type.make(options);
    options.refuse_others();
    return step;
  }
  std::vector<std::string_view> names;
  for (const StepType& type : kSteps) names.push_back(type.name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("there is no step '{}'; there are: {}", name, fmt::join(names, ", ")));
}

void StreamStep::change(Record& /*record*/, std::string_view /*edit*/, Arena& /*arena*/) const {
  PELTON_UNREACHABLE();  // it decided kChange, and says not how
}

}  // namespace pelton::data
