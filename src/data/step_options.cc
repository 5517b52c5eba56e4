#include "data/step_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace pelton::data {

template <typename T>
T StepOptions::note(std::string_view name, T value) {
  in_force_[name] = json::value_from(value);
  return value;
}

int64_t StepOptions::integer(std::string_view name, int64_t otherwise, int64_t min, int64_t max) {
  return note(name, reader_.integer(name, min, max).value_or(otherwise));
}

double StepOptions::number(std::string_view name, double otherwise, double min, double max) {
  return note(name, reader_.number(name, min, max).value_or(otherwise));
}

bool StepOptions::boolean(std::string_view name, bool otherwise) {
  return note(name, reader_.boolean(name).value_or(otherwise));
}

std::string StepOptions::string(std::string_view name, std::string_view otherwise) {
  return note(name, reader_.string(name).value_or(std::string(otherwise)));
}

size_t StepOptions::choice(std::string_view name, const std::vector<std::string_view>& choices) {
  const std::string given = string(name, choices.front());
  const auto found = std::find(choices.begin(), choices.end(), given);
  if (found == choices.end()) fail(name, fmt::format("one of {}", fmt::join(choices, ", ")));
  return static_cast<size_t>(found - choices.begin());
}

std::vector<std::string> StepOptions::strings(std::string_view name, std::vector<std::string> otherwise) {
  const json::value* given = reader_.value(name);
  if (given == nullptr) return note(name, std::move(otherwise));
  if (given->is_string()) return note(name, std::vector<std::string>{std::string(given->get_string())});
  if (!given->is_array()) fail(name, "a string or a list of strings");
  std::vector<std::string> strings;
  for (const json::value& item : given->get_array()) {
    if (!item.is_string()) fail(name, "a string or a list of strings");
    strings.emplace_back(item.get_string());
  }
  return note(name, std::move(strings));
}

void StepOptions::refuse_others() const {
  for (const auto& [key, unused] : given_) {
    if (in_force_.contains(key)) continue;
    std::vector<std::string_view> known;
    for (const auto& [name, value] : in_force_) known.emplace_back(name);
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: unknown option; there {} {}", reader_.path_of(key), known.empty() ? "are none" : "are",
                            fmt::join(known, ", ")),
                reader_.path_of(key));
  }
}

}  // namespace pelton::data
