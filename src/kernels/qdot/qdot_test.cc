#include "kernels/qdot/qdot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/aligned.h"
#include "base/rng.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

constexpr ElementType kTypes[] = {ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1,
                                  ElementType::kQ8_0, ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K};

TEST(Qdot, PackingKeepsEveryValue) {
  for (ElementType type : kTypes) {
    SCOPED_TRACE(element_type_name(type));
    for (int64_t row_count : {16, 5, 1}) {
      const int64_t k = info(type).block_elements == 256 ? 512 : 96;
      const int64_t block_count = k / kQdotBlockValues;
      Rng rng(7);
      std::vector<float> values(static_cast<size_t>(row_count * k));
      for (float& value : values) value = rng.next_symmetric();
      std::vector<std::byte> rows(static_cast<size_t>(bytes_of(type, row_count * k)) + 1);
      std::byte* unaligned = rows.data() + 1;
      encode_function(type)(values.data(), unaligned, row_count * k);
      decode_function(type)(unaligned, values.data(), row_count * k);

      const QdotFormat format = qdot_format(type).value();
      AlignedArray<std::byte> tile(static_cast<size_t>(qdot_tile_bytes(format, block_count)));
      std::fill(tile.begin(), tile.end(), std::byte{0xAA});
      qdot_pack_tile(type, unaligned, row_count, block_count, tile.data());

      // A row of activations that is zero but for one value of 127 / 127 reads one column of the weight exactly.
      for (int64_t column = 0; column < k; ++column) {
        std::vector<QdotActivation> activations(static_cast<size_t>(block_count));
        QdotActivation& block = activations[static_cast<size_t>(column / kQdotBlockValues)];
        block.values[column % kQdotBlockValues] = 1;
        block.scale = block.scaled_sum = 1.0f;
        block.sum = 1;
        block.half_sum = column % kQdotBlockValues < kQdotBlockValues / 2 ? 1 : 0;
        float y[kQdotTileRows] = {};
        qdot_kernels(Isa::kScalar)
            .multiply[static_cast<size_t>(format)]({tile.data(), block_count, 0, 1, activations.data(), 1, y, 16});
        for (int64_t row = 0; row < kQdotTileRows; ++row) {
          const float expected = row < row_count ? values[static_cast<size_t>(row * k + column)] : 0.0f;
          // Scale · integer and the minimum are each rounded once less than when decoding.
          ASSERT_NEAR(y[row], expected, 2e-7f * (1 + std::abs(expected))) << "row " << row << ", column " << column;
        }
      }
    }
  }
}

TEST(Qdot, TypesWithoutAFormatHaveNone) {
  for (ElementType type : {ElementType::kF32, ElementType::kF16, ElementType::kBF16}) {
    EXPECT_FALSE(qdot_format(type).has_value());
  }
}

TEST(Qdot, PackedWeightsTakeNoMoreThanTheFile) {
  for (ElementType type : kTypes) {
    SCOPED_TRACE(element_type_name(type));
    const bool is_super_block = info(type).block_elements == 256;
    const int64_t k = is_super_block ? 1536 : 576;
    const int64_t packed = qdot_tile_bytes(*qdot_format(type), k / kQdotBlockValues);
    const int64_t in_file = 16 * bytes_of(type, k);
    EXPECT_EQ(packed % 64, 0);
    if (is_super_block) {
      EXPECT_GE(packed, in_file);
      EXPECT_LE(packed, in_file * 103 / 100);
    } else {
      EXPECT_EQ(packed, in_file);
    }
  }
}

class QdotQuantise : public testing::TestWithParam<Isa> {};

TEST_P(QdotQuantise, RoundsToNearestEvenWithinHalfAStep) {
  Rng rng(11);
  std::vector<float> x(32 * 50);
  for (size_t i = 0; i < x.size(); ++i) x[i] = rng.next_symmetric() * std::exp2f(static_cast<float>(i / 32) - 25.0f);
  std::vector<QdotActivation> blocks(50);
  qdot_kernels(GetParam()).quantise(x.data(), static_cast<int64_t>(x.size()), blocks.data());
  for (size_t b = 0; b < blocks.size(); ++b) {
    int sum = 0;
    int half_sum = 0;
    int largest = 0;
    for (size_t i = 0; i < 32; ++i) {
      const int value = blocks[b].values[i];
      sum += value;
      if (i < 16) half_sum += value;
      largest = std::max(largest, std::abs(value));
      const double error = std::abs(static_cast<double>(x[b * 32 + i]) - static_cast<double>(blocks[b].scale) * value);
      EXPECT_LE(error, blocks[b].scale * 0.50001);
    }
    EXPECT_EQ(largest, 127);
    EXPECT_EQ(blocks[b].sum, sum);
    EXPECT_EQ(blocks[b].half_sum, half_sum);
    EXPECT_EQ(blocks[b].scaled_sum, blocks[b].scale * static_cast<float>(sum));
  }
}

TEST_P(QdotQuantise, HalvesGoToEvenAndZerosStayZero) {
  float x[64] = {};
  x[0] = 127.0f;  // scale 1
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = -2.5f;
  x[32] = 1e-31f;  // a block too small to scale
  QdotActivation blocks[2];
  qdot_kernels(GetParam()).quantise(x, 64, blocks);
  EXPECT_EQ(blocks[0].values[1], 0);
  EXPECT_EQ(blocks[0].values[2], 2);
  EXPECT_EQ(blocks[0].values[3], -2);
  EXPECT_EQ(blocks[0].sum, 127);
  EXPECT_EQ(blocks[1].scale, 0.0f);
  EXPECT_EQ(blocks[1].sum, 0);
  for (int8_t value : blocks[1].values) EXPECT_EQ(value, 0);
}

INSTANTIATE_TEST_SUITE_P(Isas, QdotQuantise, testing::ValuesIn(supported_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace pelton
