// The plain definition that every other path of qdot is compared with, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/qdot/qdot_layout.h"
#include "quant/half.h"

namespace pelton {

const QdotKernels* qdot_kernels_reference();

namespace {

constexpr int64_t kSlices = 8;
constexpr int64_t kSliceValues = 4;

void quantise(const float* x, int64_t count, QdotActivation* blocks) {
  for (int64_t start = 0; start < count; start += kQdotBlockValues, ++blocks) {
    float largest = 0;
    for (int64_t i = 0; i < kQdotBlockValues; ++i) largest = std::max(largest, std::abs(x[start + i]));
    const bool is_zero = largest < 1e-30f;
    const float inverse = is_zero ? 0.0f : 127.0f / largest;
    int32_t sum = 0;
    for (int64_t i = 0; i < kQdotBlockValues; ++i) {
      // Adding 1.5 · 2^23 leaves no bits for a fraction: the FPU rounds to nearest even.
      const float rounded = x[start + i] * inverse + 0x1.8p23f - 0x1.8p23f;
      // |rounded| <= 127 already; the order of these two keeps the cast defined for a NaN too.
      blocks->values[i] = static_cast<int8_t>(std::max(-127.0f, std::min(127.0f, rounded)));
      sum += blocks->values[i];
    }
    blocks->scale = is_zero ? 0.0f : largest / 127.0f;
    blocks->scaled_sum = blocks->scale * static_cast<float>(sum);
    blocks->sum = sum;
  }
}

// One block of a tile with integers as bytes, [slice][row][4 values], and scales as floats.
struct TileBlock {
  uint8_t integers[kSlices][kQdotTileRows][kSliceValues];
  float scales[kQdotTileRows];
  float minima[kQdotTileRows];
};

template <typename Layout>
void read_scales(const std::byte* source, float* scales) {
  if constexpr (Layout::kScaleBytes == 4) {
    std::memcpy(scales, source, kQdotTileRows * sizeof(float));
  } else {
    uint16_t halves[kQdotTileRows];
    std::memcpy(halves, source, sizeof(halves));
    for (int64_t row = 0; row < kQdotTileRows; ++row) scales[row] = f32_from_f16(halves[row]);
  }
}

template <typename Layout>
TileBlock read_block(const std::byte* tile, int64_t block) {
  TileBlock result{};
  const std::byte* source = tile + Layout::integers_at(block);
  if constexpr (Layout::kBits == 8) {
    std::memcpy(result.integers, source, sizeof(result.integers));
  } else {
    uint8_t* low = &result.integers[0][0][0];
    uint8_t* high = &result.integers[kSlices / 2][0][0];
    for (int64_t i = 0; i < Layout::kIntegerBytes; ++i) {
      low[i] = static_cast<uint8_t>(source[i]) & 15u;
      high[i] = static_cast<uint8_t>(source[i]) >> 4;
    }
  }
  read_scales<Layout>(tile + Layout::scales_at(block), result.scales);
  if constexpr (Layout::kHasMinimum) read_scales<Layout>(tile + Layout::minima_at(block), result.minima);
  return result;
}

template <typename Layout>
void add_block(const TileBlock& weight, const QdotActivation& activation, float* sums) {
  for (int64_t row = 0; row < kQdotTileRows; ++row) {
    int32_t dot = -Layout::kOffset * activation.sum;
    for (int64_t slice = 0; slice < kSlices; ++slice) {
      for (int64_t i = 0; i < kSliceValues; ++i) {
        dot += weight.integers[slice][row][i] * activation.values[kSliceValues * slice + i];
      }
    }
    sums[row] = std::fma(weight.scales[row] * activation.scale, static_cast<float>(dot), sums[row]);
    if constexpr (Layout::kHasMinimum) sums[row] = std::fma(weight.minima[row], activation.scaled_sum, sums[row]);
  }
}

template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 8;  // share the unpacking of a block
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * Layout::tile_bytes(product.block_count);
    const int64_t column = tile * kQdotTileRows;
    const int64_t width = std::min(kQdotTileRows, product.column_count - column);
    for (int64_t first = 0; first < product.row_count; first += kGroupRows) {
      const int64_t rows = std::min(kGroupRows, product.row_count - first);
      float sums[kGroupRows][kQdotTileRows] = {};
      for (int64_t block = 0; block < product.block_count; ++block) {
        const TileBlock weight = read_block<Layout>(source, block);
        for (int64_t row = 0; row < rows; ++row) {
          add_block<Layout>(weight, product.activations[(first + row) * product.block_count + block], sums[row]);
        }
      }
      for (int64_t row = 0; row < rows; ++row) {
        std::copy_n(sums[row], width, product.y + (first + row) * product.column_count + column);
      }
    }
  }
}

constexpr QdotKernels kKernels = {
    .quantise = quantise,
    .multiply =
        {
#define PELTON_X(name, bits, offset, has_minimum, scale_bytes) \
  multiply<QdotLayout<bits, offset, has_minimum, scale_bytes>>,
            PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
        },
};

}  // namespace

const QdotKernels* qdot_kernels_reference() { return &kKernels; }

}  // namespace pelton
