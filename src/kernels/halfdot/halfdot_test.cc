#include "kernels/halfdot/halfdot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/aligned.h"
#include "base/rng.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace pelton {
namespace {

class Halfdot : public testing::TestWithParam<Isa> {};

// A row of activations that is zero but for one 1 reads one column of the weight exactly.
TEST_P(Halfdot, PackingKeepsEveryValue) {
  const HalfKernels& kernels = half_kernels(GetParam());
  for (ElementType type : {ElementType::kBF16, ElementType::kF16}) {
    SCOPED_TRACE(element_type_name(type));
    for (int64_t row_count : {16, 5, 1}) {
      for (int64_t k : {1, 7, 64}) {
        Rng rng(7);
        std::vector<float> values(static_cast<size_t>(row_count * k));
        for (float& value : values) value = rng.next_symmetric();
        std::vector<std::byte> rows(static_cast<size_t>(bytes_of(type, row_count * k)) + 1);
        std::byte* unaligned = rows.data() + 1;
        encode_function(type)(values.data(), unaligned, row_count * k);
        decode_function(type)(unaligned, values.data(), row_count * k);
        AlignedArray<std::byte> tile(static_cast<size_t>(half_tile_bytes(k)));
        std::fill(tile.begin(), tile.end(), std::byte{0x3A});
        half_pack_tile(type, unaligned, row_count, k, tile.data());

        for (int64_t column = 0; column < k; ++column) {
          std::vector<float> x(static_cast<size_t>(k));
          x[static_cast<size_t>(column)] = 1.0f;
          std::vector<uint16_t> rounded(static_cast<size_t>(k + 1));
          kernels.round(x.data(), k, rounded.data());
          float y[kHalfTileRows];
          if (type == ElementType::kBF16) {
            kernels.multiply_bf16({tile.data(), k, 0, 1, rounded.data(), 1, y, kHalfTileRows});
          } else {
            kernels.multiply_f16({tile.data(), k, 0, 1, x.data(), 1, y, kHalfTileRows});
          }
          for (int64_t row = 0; row < kHalfTileRows; ++row) {
            ASSERT_EQ(y[row], row < row_count ? values[static_cast<size_t>(row * k + column)] : 0.0f)
                << "row " << row << ", column " << column << " of " << k;
          }
        }
      }
    }
  }
}

TEST_P(Halfdot, RoundsToNearestEvenAndWritesNothingElse) {
  Rng rng(13);
  for (int64_t count : {1, 7, 8, 15, 16, 17, 50}) {
    std::vector<float> x(static_cast<size_t>(count));
    for (float& value : x) value = rng.next_symmetric() * 1e4f;
    x[0] = 0x1.01p0f;                  // halfway, to the even one below
    if (count > 1) x[1] = -0x1.03p0f;  // halfway, to the even one above
    std::vector<uint16_t> rounded(static_cast<size_t>(count) + 1, 0xBEEF);
    half_kernels(GetParam()).round(x.data(), count, rounded.data());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(rounded[i], bf16_from_f32(x[i])) << i << " of " << count;
    EXPECT_EQ(f32_from_bf16(rounded[0]), 1.0f);
    if (count > 1) {
      EXPECT_EQ(f32_from_bf16(rounded[1]), -0x1.04p0f);
    }
    EXPECT_EQ(rounded.back(), 0xBEEF);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Halfdot, testing::ValuesIn(supported_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace pelton
