#include "ops/largest_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "ops/linear.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// Few different values where `levels` is small: ties at every cut.
std::vector<float> random_values(int64_t count, float levels, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = std::round(rng.next_symmetric() * levels);
  return values;
}

std::vector<int32_t> ids_of(const LargestRows& largest, int64_t row) {
  std::vector<int32_t> ids;
  for (const RankedLogit& logit : largest.row(row)) ids.push_back(logit.id);
  return ids;
}

// The definition: a stable sort of the row.
void expect_largest(const LargestRows& largest, const std::vector<float>& values, int64_t width, int64_t count) {
  ASSERT_EQ(largest.row_count() * width, static_cast<int64_t>(values.size()));
  for (int64_t row = 0; row < largest.row_count(); ++row) {
    const float* logits = values.data() + row * width;
    std::vector<int32_t> order(static_cast<size_t>(width));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    order.resize(static_cast<size_t>(std::min(count, width)));
    EXPECT_EQ(ids_of(largest, row), order) << "row " << row << ", the best " << count << " of " << width;
    for (const RankedLogit& logit : largest.row(row)) EXPECT_EQ(logit.value, logits[logit.id]);
    EXPECT_TRUE(largest.is_finite(row));
  }
}

TEST(LargestRows, AreTheFirstOfAStableSort) {
  LargestRows largest;
  for (const int thread_count : {1, 2, 3}) {
    Executor executor(thread_count);
    for (const int64_t width : {1, 15, 50, 1030, 20'000}) {
      for (const float levels : {2.0f, 1e6f}) {
        const std::vector<float> values = random_values(3 * width, levels, static_cast<uint64_t>(width));
        for (const int64_t count : {1, 2, 40, 64}) {
          largest_of_rows(executor, {values.data(), 3, width}, count, largest);
          expect_largest(largest, values, width, count);
        }
      }
    }
  }
}

TEST(LargestRows, OfAscendingAndOfEqualValues) {
  Executor executor(2);
  LargestRows largest;
  std::vector<float> values(30'000);
  std::iota(values.begin(), values.end(), 0.0f);
  largest_of_rows(executor, {values.data(), 1, 30'000}, 3, largest);
  EXPECT_EQ(ids_of(largest, 0), (std::vector<int32_t>{29'999, 29'998, 29'997}));
  std::fill(values.begin(), values.end(), 7.0f);
  largest_of_rows(executor, {values.data(), 1, 30'000}, 3, largest);
  EXPECT_EQ(ids_of(largest, 0), (std::vector<int32_t>{0, 1, 2}));
  std::fill(values.begin(), values.end(), std::numeric_limits<float>::max());
  largest_of_rows(executor, {values.data(), 1, 30'000}, 2, largest);
  EXPECT_EQ(ids_of(largest, 0), (std::vector<int32_t>{0, 1}));
}

TEST(LargestRows, TellWhatIsNotFiniteEvenIfItIsNotTheLargest) {
  Executor executor(2);
  LargestRows largest;
  for (const float bad : {std::nanf(""), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(60'000, 1.0f);
    values[20'000 + 19'999] = bad;
    largest_of_rows(executor, {values.data(), 3, 20'000}, 1, largest);
    EXPECT_TRUE(largest.is_finite(0));
    EXPECT_FALSE(largest.is_finite(1));
    EXPECT_TRUE(largest.is_finite(2));
  }
}

struct Case {
  const char* name;
  ElementType type;
  ActivationType activations;
};

class LinearLargest : public testing::TestWithParam<Case> {};

TEST_P(LinearLargest, IsTheChoiceFromThePlainProduct) {
  constexpr int64_t kInput = 64;
  LargestRows largest;
  for (const int64_t width : {37, 1100, 3001}) {
    const std::vector<float> values = random_values(width * kInput, 3, 11);
    auto bytes =
        std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(GetParam().type, width * kInput)));
    encode_function(GetParam().type)(values.data(), bytes->data(), width * kInput);
    const Tensor matrix(GetParam().type, {width, kInput}, bytes->data(), bytes);
    for (const int thread_count : {1, 2, 3}) {
      Executor executor(thread_count);
      const LinearWeight weight(executor, matrix, GetParam().activations);
      for (const int64_t row_count : {1, 5, 33}) {
        const std::vector<float> x = random_values(row_count * kInput, 2, 12);
        LinearInput input;
        input.set(x.data(), row_count, kInput);
        std::vector<float> y(static_cast<size_t>(row_count * width));
        linear(executor, input, weight, y.data());
        for (const int64_t count : {1, 40}) {
          linear_largest(executor, input, weight, count, largest);
          ASSERT_EQ(largest.row_count(), row_count);
          expect_largest(largest, y, width, count);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearLargest,
                         testing::Values(Case{"Q4_1", ElementType::kQ4_1, ActivationType::kInt8},
                                         Case{"Q8_0", ElementType::kQ8_0, ActivationType::kInt8},
                                         Case{"F16", ElementType::kF16, ActivationType::kInt8},
                                         Case{"BF16", ElementType::kBF16, ActivationType::kInt8},
                                         Case{"F32", ElementType::kF32, ActivationType::kInt8},
                                         Case{"Q8_0InF32", ElementType::kQ8_0, ActivationType::kF32}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(LinearLargest, OfNoRowsIsNothing) {
  Executor executor(1);
  const std::vector<float> values(64, 1.0f);
  const LinearWeight weight(
      executor, Tensor(ElementType::kF32, {2, 32}, reinterpret_cast<const std::byte*>(values.data()), nullptr),
      ActivationType::kInt8);
  LinearInput input;
  input.set(values.data(), 0, 32);
  LargestRows largest;
  linear_largest(executor, input, weight, 1, largest);
  EXPECT_EQ(largest.row_count(), 0);
}

// The definition: a stable sort of what the mask lets through.
TEST(LargestRows, OfAMaskAreTheFirstOfWhatItLetsThrough) {
  constexpr int64_t kRows = 3, kWidth = 5000;
  Executor executor(3);
  LargestRows largest;
  for (const uint64_t one_in : {1, 2, 50, 2000}) {
    for (const float levels : {2.0f, 1e6f}) {
      const std::vector<float> values = random_values(kRows * kWidth, levels, one_in);
      Rng rng(one_in);
      std::vector<uint32_t> words((kWidth + 31) / 32);
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < kWidth; ++id) {
        if (rng.next_below(one_in) != 0) continue;
        words[static_cast<size_t>(id) / 32] |= uint32_t{1} << (id % 32);
        allowed.push_back(id);
      }
      // The row between has no mask, the last one lets none through.
      const std::vector<uint32_t> none(words.size());
      const std::vector<RowMask> masks = {RowMask(words), RowMask(), RowMask(none)};
      const RowMaskSource source = [&] { return std::span(masks); };
      for (const int64_t count : {1, 40}) {
        largest.set_masks(&source);
        largest_of_rows(executor, {values.data(), kRows, kWidth}, count, largest);
        std::vector<int32_t> order = allowed;
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return values[a] > values[b]; });
        order.resize(std::min(order.size(), static_cast<size_t>(count)));
        EXPECT_EQ(ids_of(largest, 0), order) << "one in " << one_in << ", the best " << count;
        const std::vector<int32_t> with_neighbour = ids_of(largest, 1);
        EXPECT_TRUE(largest.row(2).empty());
        largest.set_masks(nullptr);
        largest_of_rows(executor, {values.data(), kRows, kWidth}, count, largest);
        EXPECT_EQ(ids_of(largest, 1), with_neighbour);
        EXPECT_EQ(largest.row(2).size(), static_cast<size_t>(count));
      }
    }
  }
}

}  // namespace
}  // namespace pelton
