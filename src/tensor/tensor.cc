#include "tensor/tensor.h"

#include <fmt/format.h>

#include <cstring>

#include "base/aligned.h"

namespace pelton {

std::string Shape::to_string() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) text += fmt::format("{}{}", axis == 0 ? "" : ", ", (*this)[axis]);
  return text + "]";
}

Tensor::Tensor(ElementType type, Shape shape) : type_(type), shape_(shape), is_heap_(true) {
  const size_t bytes = static_cast<size_t>(bytes_of(type, shape.element_count()));
  auto memory = std::make_shared<AlignedArray<std::byte>>(bytes == 0 ? 1 : bytes);
  std::memset(memory->data(), 0, memory->size());
  data_ = memory->data();
  owner_ = std::move(memory);
}

}  // namespace pelton
