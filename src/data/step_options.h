// The options of a step, as its recipe gives them: read by name, with type, domain and default; what nobody asked for
// is refused.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton::data {

class StepOptions {
 public:
  // `path` is how errors name the step: "steps[2].minhash". `options` is kept by reference.
  StepOptions(const json::object& options, std::string path) : reader_(options, std::move(path)), given_(options) {}

  // Errors kInvalidArgument, with the option's path: another type, or out of its domain.
  int64_t integer(std::string_view name, int64_t otherwise, int64_t min,
                  int64_t max = std::numeric_limits<int64_t>::max());
  double number(std::string_view name, double otherwise, double min, double max);
  bool boolean(std::string_view name, bool otherwise);
  std::string string(std::string_view name, std::string_view otherwise);
  // The index of the value in `choices`; the first is the default. The error names them all.
  size_t choice(std::string_view name, const std::vector<std::string_view>& choices);
  // A list of strings, or one string for a list of one.
  std::vector<std::string> strings(std::string_view name, std::vector<std::string> otherwise = {});

  // Whether the recipe gives it, whoever reads it.
  bool has(std::string_view name) const { return given_.contains(name); }
  // For rules between options. Throws kInvalidArgument.
  [[noreturn]] void fail(std::string_view name, std::string_view expected) const { reader_.fail(name, expected); }

  // After the last one was read. Error kInvalidArgument: an option that nobody asked for; names those that there are.
  void refuse_others() const;
  // All options that were asked for, with the values in force: for the manifest.
  const json::object& in_force() const { return in_force_; }

 private:
  template <typename T>
  T note(std::string_view name, T value);

  JsonReader reader_;
  const json::object& given_;
  json::object in_force_;
};

}  // namespace pelton::data
