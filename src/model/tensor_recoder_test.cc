#include "model/tensor_recoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "io/error_matchers.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

Tensor random_tensor(Shape shape, uint64_t seed) {
  Tensor tensor = Tensor::f32(shape);
  Rng rng(seed);
  for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = rng.next_symmetric();
  return tensor;
}

std::string recoded(const TensorRecoding& recoding, int thread_count = 2) {
  Executor executor(thread_count);
  std::string bytes;
  recode_tensor(executor, recoding, [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

std::string encoded(ElementType type, const float* values, int64_t count) {
  std::string bytes(static_cast<size_t>(bytes_of(type, count)), '\0');
  encode_function(type)(values, reinterpret_cast<std::byte*>(bytes.data()), count);
  return bytes;
}

// Whole tensors encoded at once are the reference, and threads change nothing: more rows than threads, fewer, one, and
// more values than a piece has.
TEST(RecodeTensor, IsTheEncoderOnAllRows) {
  for (const ElementType type : {ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kQ4_0,
                                 ElementType::kQ8_0, ElementType::kQ4_K, ElementType::kQ6_K}) {
    for (const Shape& shape : {Shape{7, 512}, Shape{1, 256}, Shape{3, 2, 256}, Shape{512}}) {
      const Tensor tensor = random_tensor(shape, 3);
      const std::string expected = encoded(type, tensor.floats(), shape.element_count());
      for (const int thread_count : {1, 2, 3}) {
        EXPECT_EQ(recoded({.name = "w", .source = tensor, .type = type}, thread_count), expected)
            << element_type_name(type) << " " << shape.to_string() << ", " << thread_count << " threads";
      }
    }
  }
}

TEST(RecodeTensor, CutsLargeTensorsIntoPieces) {
  const Tensor tensor = random_tensor({17000, 512}, 4);
  EXPECT_EQ(recoded({.name = "w", .source = tensor, .type = ElementType::kQ8_0}),
            encoded(ElementType::kQ8_0, tensor.floats(), 17000 * 512));
  const std::string copy = recoded({.name = "w", .source = tensor, .type = ElementType::kF32});
  EXPECT_EQ(std::memcmp(copy.data(), tensor.data(), copy.size()), 0);
  EXPECT_EQ(static_cast<int64_t>(copy.size()), tensor.size_bytes());
}

TEST(RecodeTensor, MovesRows) {
  constexpr int64_t kHeadWidth = 4;
  for (const Shape& shape : {Shape{8, 32}, Shape{8}}) {
    const Tensor tensor = random_tensor(shape, 5);
    const int64_t columns = shape.element_count() / 8;
    for (const RowOrder order : {RowOrder::kInterleave, RowOrder::kDeinterleave}) {
      std::vector<float> expected;
      for (int64_t row = 0; row < 8; ++row) {
        const float* from = tensor.floats() + source_row(order, row, kHeadWidth) * columns;
        expected.insert(expected.end(), from, from + columns);
      }
      for (const ElementType type : {ElementType::kF32, ElementType::kBF16}) {
        EXPECT_EQ(recoded({.name = "w", .source = tensor, .type = type, .order = order, .head_width = kHeadWidth}),
                  encoded(type, expected.data(), static_cast<int64_t>(expected.size())));
      }
    }
  }
}

// Rows of blocks move as they are: no value is rounded twice.
TEST(RecodeTensor, MovesRowsOfBlocksUntouched) {
  const Tensor tensor = random_tensor({4, 32}, 6);
  Tensor blocks(ElementType::kQ4_0, {4, 32});
  encode_function(ElementType::kQ4_0)(tensor.floats(), blocks.mutable_data(), 4 * 32);
  const std::string moved = recoded(
      {.name = "w", .source = blocks, .type = ElementType::kQ4_0, .order = RowOrder::kInterleave, .head_width = 4});
  for (const auto& [to, from] : {std::pair{0, 0}, {1, 2}, {2, 1}, {3, 3}}) {
    EXPECT_EQ(std::memcmp(moved.data() + to * 18, blocks.row(from), 18), 0) << to;
  }
}

TEST(RecodeTensor, RefusesWhatATypeCannotHold) {
  const Tensor tensor = random_tensor({5, 256}, 7);
  const auto refuses = [&](float value, ElementType type, const std::vector<std::string>& parts) {
    Tensor bad = Tensor::f32({5, 256});
    std::memcpy(bad.mutable_data(), tensor.data(), static_cast<size_t>(tensor.size_bytes()));
    bad.mutable_floats()[3 * 256 + 17] = value;
    bad.mutable_floats()[4 * 256 + 1] = value;  // the first in the tensor is named, whichever thread finds one first
    expect_error([&] { recoded({.name = "blk.0.attn_q.weight", .source = bad, .type = type}); },
                 ErrorCode::kInvalidArgument, parts);
  };
  const float infinity = std::numeric_limits<float>::infinity();
  for (const ElementType type : {ElementType::kF16, ElementType::kBF16, ElementType::kQ8_0, ElementType::kQ4_K}) {
    const std::string name(element_type_name(type));
    refuses(infinity, type, {"blk.0.attn_q.weight", "inf", "row 3, column 17", name, "damaged"});
    refuses(-infinity, type, {"-inf", "row 3, column 17"});
    refuses(NAN, type, {"nan", "row 3, column 17"});
  }
  refuses(70000.0f, ElementType::kF16, {"70000", "row 3, column 17", "65504", "bf16"});
  refuses(70000.0f, ElementType::kQ4_1, {"70000", "65504"});
  refuses(std::numeric_limits<float>::max(), ElementType::kBF16, {"bf16"});
}

TEST(RecodeTensor, LargestValuesThatATypeHoldsStayFinite) {
  for (const ElementType type : {ElementType::kF16, ElementType::kBF16, ElementType::kQ8_0, ElementType::kQ4_1,
                                 ElementType::kQ4_K, ElementType::kQ6_K}) {
    Tensor tensor = random_tensor({1, 256}, 8);
    tensor.mutable_floats()[9] = type == ElementType::kBF16 ? 0x1.FEp127f : -65504.0f;
    const std::string bytes = recoded({.name = "w", .source = tensor, .type = type});
    std::vector<float> values(256);
    decode_function(type)(reinterpret_cast<const std::byte*>(bytes.data()), values.data(), 256);
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << element_type_name(type);
    EXPECT_NEAR(values[9] / tensor.floats()[9], 1.0, 0.07) << element_type_name(type);
  }
}

TEST(RecodeTensor, WhatTheSinkThrowsComesThrough) {
  Executor executor(2);
  const Tensor tensor = random_tensor({4, 32}, 9);
  EXPECT_THROW(recode_tensor(executor, {.name = "w", .source = tensor, .type = ElementType::kQ8_0},
                             [](std::span<const std::byte>) { throw Error(ErrorCode::kIo, "full"); }),
               Error);
}

}  // namespace
}  // namespace pelton
