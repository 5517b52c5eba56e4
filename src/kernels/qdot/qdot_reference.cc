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
      if (i == kQdotBlockValues / 2) blocks->half_sum = sum;
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
  float scales[2][kQdotTileRows];  // the second only where a block has two
  float minima[kQdotTileRows];
};

// 16 factors at `source`: F16, or where there are super-blocks int8 to be multiplied with the F16 at `super`.
template <typename Layout>
void read_scales(const std::byte* source, const std::byte* super, float* scales) {
  uint16_t halves[kQdotTileRows];
  std::memcpy(halves, Layout::kIsSuper ? super : source, sizeof(halves));
  for (int64_t row = 0; row < kQdotTileRows; ++row) {
    scales[row] = f32_from_f16(halves[row]);
    if constexpr (Layout::kIsSuper) scales[row] *= static_cast<float>(static_cast<int8_t>(source[row]));
  }
}

template <typename Layout>
void read_integers(const std::byte* source, uint8_t (&integers)[kSlices][kQdotTileRows][kSliceValues]) {
  constexpr int64_t kSliceBytes = kQdotTileRows * kSliceValues;
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    uint8_t* values = &integers[slice][0][0];
    for (int64_t i = 0; i < kSliceBytes; ++i) {
      const auto byte = [&](int64_t at) { return static_cast<uint32_t>(source[at + i]); };
      uint32_t value = 0;
      if constexpr (Layout::kBits == 8) {
        value = byte(kSliceBytes * slice);
      } else {
        value = byte(kSliceBytes * (slice % 4)) >> (slice / 4 * 4) & 15u;
      }
      if constexpr (Layout::kBits == 5) value |= (byte(Layout::kHighBitsAt) >> slice & 1u) << 4;
      if constexpr (Layout::kBits == 6) {
        value |= (byte(Layout::kHighBitsAt + kSliceBytes * (slice / 4)) >> (slice % 4 * 2) & 3u) << 4;
      }
      values[i] = static_cast<uint8_t>(value);
    }
  }
}

template <typename Layout>
TileBlock read_block(const std::byte* tile, int64_t block) {
  TileBlock result{};
  read_integers<Layout>(tile + Layout::integers_at(block), result.integers);
  for (int scale = 0; scale < Layout::kScaleCount; ++scale) {
    read_scales<Layout>(tile + Layout::scales_at(block) + scale * kQdotTileRows, tile + Layout::super_scales_at(block),
                        result.scales[scale]);
  }
  if constexpr (Layout::kHasMinimum) {
    read_scales<Layout>(tile + Layout::minima_at(block), tile + Layout::super_minima_at(block), result.minima);
  }
  return result;
}

// Of slices [first, first + kSlices / 2), which hold one half of the block's values.
int32_t half_dot(const TileBlock& weight, const QdotActivation& activation, int64_t row, int64_t first) {
  int32_t dot = 0;
  for (int64_t slice = first; slice < first + kSlices / 2; ++slice) {
    for (int64_t i = 0; i < kSliceValues; ++i) {
      dot += weight.integers[slice][row][i] * activation.values[kSliceValues * slice + i];
    }
  }
  return dot;
}

template <typename Layout>
void add_block(const TileBlock& weight, const QdotActivation& activation, float* sums) {
  for (int64_t row = 0; row < kQdotTileRows; ++row) {
    int32_t low = half_dot(weight, activation, row, 0);
    int32_t high = half_dot(weight, activation, row, kSlices / 2);
    if constexpr (Layout::kScaleCount == 2) {
      low -= Layout::kOffset * activation.half_sum;
      high -= Layout::kOffset * (activation.sum - activation.half_sum);
      const float scaled_high = weight.scales[1][row] * static_cast<float>(high);
      const float block_sum = std::fma(weight.scales[0][row], static_cast<float>(low), scaled_high);
      sums[row] = std::fma(block_sum, activation.scale, sums[row]);
    } else {
      const int32_t dot = low + high - Layout::kOffset * activation.sum;
      sums[row] = std::fma(weight.scales[0][row] * activation.scale, static_cast<float>(dot), sums[row]);
      if constexpr (Layout::kHasMinimum) sums[row] = std::fma(weight.minima[row], activation.scaled_sum, sums[row]);
    }
  }
}

template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 8;  // share the unpacking of a block
  multiply_in_groups<Layout, kGroupRows>(product, [&](const std::byte* tile, int64_t row_count,
                                                      const QdotActivation* activations, float(*sums)[kQdotTileRows]) {
    std::fill_n(sums[0], row_count * kQdotTileRows, 0.0f);
    for (int64_t block = 0; block < product.block_count; ++block) {
      const TileBlock weight = read_block<Layout>(tile, block);
      for (int64_t row = 0; row < row_count; ++row) {
        add_block<Layout>(weight, activations[row * product.block_count + block], sums[row]);
      }
    }
  });
}

constexpr QdotKernels kKernels = {
    .quantise = quantise,
    .multiply =
        {
#define PELTON_X(name, bits, offset, has_minimum, scales) multiply<QdotLayout<bits, offset, has_minimum, scales>>,
            PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
        },
};

}  // namespace

const QdotKernels* qdot_kernels_reference() { return &kKernels; }

}  // namespace pelton
