#include "ops/embedding.h"

#include <gtest/gtest.h>

#include "ops/gradient_check.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

TEST(Embedding, GivesTheDecodedRowsOfAnyType) {
  Executor executor(2);
  for (ElementType type : {ElementType::kF32, ElementType::kBF16, ElementType::kQ4_1, ElementType::kQ6_K}) {
    Rng rng(1);
    const std::vector<float> values = random_floats(rng, 5 * 256);
    Tensor table(type, {5, 256});
    encode_function(type)(values.data(), table.mutable_data(), 5 * 256);
    const std::vector<int32_t> ids = {4, 0, 4, 2};
    std::vector<float> y(4 * 256);
    embedding(executor, table, ids.data(), 4, y.data());
    for (size_t row = 0; row < ids.size(); ++row) {
      std::vector<float> expected(256);
      decode_function(type)(table.row(ids[row]), expected.data(), 256);
      EXPECT_EQ(std::vector<float>(y.begin() + static_cast<ptrdiff_t>(row) * 256,
                                   y.begin() + static_cast<ptrdiff_t>(row + 1) * 256),
                expected)
          << element_type_name(type);
    }
  }
}

TEST(Embedding, BackwardAddsRepeatedIdsInOrderWhateverTheThreadCount) {
  constexpr int64_t kRows = 400;
  constexpr int64_t kWidth = 100;
  Rng rng(2);
  const std::vector<float> d_y = random_floats(rng, kRows * kWidth);
  std::vector<int32_t> ids;
  for (int64_t row = 0; row < kRows; ++row) ids.push_back(static_cast<int32_t>(rng.next_below(7)));
  std::vector<float> expected(7 * kWidth, 0.5f);  // added to, not assigned
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t i = 0; i < kWidth; ++i) expected[static_cast<size_t>(ids[row]) * kWidth + i] += d_y[row * kWidth + i];
  }
  for (int threads : {1, 2, 3}) {
    Executor executor(threads);
    std::vector<float> d_table(7 * kWidth, 0.5f);
    embedding_backward(executor, d_y.data(), ids.data(), kRows, kWidth, d_table.data());
    EXPECT_EQ(d_table, expected);
  }
}

}  // namespace
}  // namespace pelton
