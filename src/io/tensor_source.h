// Named tensors in files, whatever the format. Immutable; any thread may read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace pelton {

struct TensorEntry {
  std::string name;
  ElementType type;
  Shape shape;  // outermost first: a linear layer's weight is [out, in]
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // In the order of the file.
  virtual const std::vector<TensorEntry>& entries() const = 0;
  // A view into the mapped file, which it keeps alive; std::nullopt: no such name.
  virtual std::optional<Tensor> find(std::string_view name) const = 0;
};

}  // namespace pelton
