// Typed, shaped memory. A Tensor shares ownership of its bytes (heap or a mapped file) and never changes them itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/check.h"
#include "tensor/element_type.h"

namespace pelton {

// Sizes from the outermost dimension to the innermost, which is contiguous: [rows, columns]. At most 4 dimensions.
class Shape {
 public:
  static constexpr int kRankMax = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
    CHECK(rank_ <= kRankMax);
    int axis = 0;
    for (int64_t size : sizes) sizes_[static_cast<size_t>(axis++)] = size;
  }

  void append(int64_t size) {
    CHECK(rank_ < kRankMax);
    sizes_[static_cast<size_t>(rank_++)] = size;
  }
  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(axis)]; }
  int64_t innermost() const { return rank_ == 0 ? 1 : sizes_[static_cast<size_t>(rank_ - 1)]; }
  int64_t element_count() const {
    int64_t count = 1;
    for (int axis = 0; axis < rank_; ++axis) count *= sizes_[static_cast<size_t>(axis)];
    return count;
  }
  // All dimensions but the innermost, multiplied.
  int64_t row_count() const { return innermost() == 0 ? 0 : element_count() / innermost(); }
  std::string to_string() const;  // "[576, 1536]"
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<int64_t, kRankMax> sizes_{};
  int rank_ = 0;
};

// Row-major, innermost dimension contiguous, rows back to back. Copying shares the bytes.
class Tensor {
 public:
  Tensor() = default;
  // Zeroed memory of its own, 64-byte aligned.
  Tensor(ElementType type, Shape shape);
  // Bytes that `owner` keeps alive; data need not be aligned.
  Tensor(ElementType type, Shape shape, const std::byte* data, std::shared_ptr<const void> owner)
      : type_(type), shape_(shape), data_(data), owner_(std::move(owner)) {}
  static Tensor f32(Shape shape) { return Tensor(ElementType::kF32, shape); }

  bool is_empty() const { return data_ == nullptr; }
  // True for memory that the Tensor allocated itself, false for views of somebody's bytes.
  bool is_heap() const { return is_heap_; }
  ElementType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  const std::byte* data() const { return data_; }
  int64_t size_bytes() const { return bytes_of(type_, shape_.element_count()); }
  int64_t row_bytes() const { return bytes_of(type_, shape_.innermost()); }
  const std::byte* row(int64_t index) const { return data_ + index * row_bytes(); }
  // A view of some rows of a matrix; shares the bytes.
  Tensor rows(int64_t first, int64_t count) const {
    CHECK(shape_.rank() == 2 && first >= 0 && count >= 0 && first + count <= shape_[0]);
    return Tensor(type_, {count, shape_[1]}, row(first), owner_);
  }
  // The index-th of what lies along the first of two or more dimensions; shares the bytes.
  Tensor slice(int64_t index) const {
    CHECK(shape_.rank() >= 2 && index >= 0 && index < shape_[0]);
    Shape rest;
    for (int axis = 1; axis < shape_.rank(); ++axis) rest.append(shape_[axis]);
    return Tensor(type_, rest, data_ + index * bytes_of(type_, rest.element_count()), owner_);
  }

  // The type must be F32.
  const float* floats() const {
    CHECK(type_ == ElementType::kF32);
    return reinterpret_cast<const float*>(data_);
  }
  // Only for memory that the Tensor allocated itself (never for mapped files).
  float* mutable_floats() {
    CHECK(type_ == ElementType::kF32 && is_heap_);
    return reinterpret_cast<float*>(const_cast<std::byte*>(data_));
  }
  std::byte* mutable_data() {
    CHECK(is_heap_);
    return const_cast<std::byte*>(data_);
  }

 private:
  ElementType type_ = ElementType::kF32;
  Shape shape_;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  bool is_heap_ = false;
};

}  // namespace pelton
