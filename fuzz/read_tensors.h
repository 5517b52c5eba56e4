// What both readers of model files must survive: every byte that they claim to have found is touched.
#pragma once

#include <cstddef>

#include "base/check.h"
#include "io/tensor_source.h"

namespace pelton {

inline void read_tensors(const TensorSource& source) {
  unsigned sum = 0;
  for (const TensorEntry& entry : source.entries()) {
    const std::optional<Tensor> tensor = source.find(entry.name);
    CHECK(tensor.has_value() && tensor->shape() == entry.shape && tensor->type() == entry.type);
    for (int64_t i = 0; i < tensor->size_bytes(); ++i) sum += static_cast<unsigned>(tensor->data()[i]);
  }
  [[maybe_unused]] volatile unsigned kept = sum;  // else the reads are optimised away
}

}  // namespace pelton
