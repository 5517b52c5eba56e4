// Runs over the numbers of all parameters, in parallel.
#pragma once

#include <span>

#include "train/optimiser.h"

namespace pelton {

// Below so many numbers a region costs more than it saves.
inline constexpr int64_t kParameterGrain = 1 << 14;

// update(parameter index, first, end): elements [first, end) of one parameter.
template <typename Update>
void for_each_parameter(Executor& executor, std::span<const Parameter> parameters, Update update) {
  for (size_t index = 0; index < parameters.size(); ++index) {
    executor.parallel_for(parameters[index].value.shape().element_count(), kParameterGrain,
                          [&](Range range) { update(index, range.begin, range.end); });
  }
}

inline std::vector<Tensor> zeros_like(std::span<const Parameter> parameters) {
  std::vector<Tensor> zeros;
  for (const Parameter& parameter : parameters) zeros.push_back(Tensor::f32(parameter.value.shape()));
  return zeros;
}

inline void append_state(std::vector<NamedTensor>& state, std::string_view prefix,
                         std::span<const Parameter> parameters, std::span<const Tensor> tensors) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    state.push_back({std::string(prefix) + "." + parameters[i].name, tensors[i]});
  }
}

}  // namespace pelton
