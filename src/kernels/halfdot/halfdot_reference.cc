// The plain definition that every other path of halfdot is compared with, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/halfdot/halfdot.h"
#include "quant/half.h"

namespace pelton {

const HalfKernels* half_kernels_reference();

namespace {

void round(const float* x, int64_t count, uint16_t* rounded) { std::transform(x, x + count, rounded, bf16_from_f32); }

using Sums = float[2][kHalfTileRows];

uint16_t half_at(const std::byte* source) {
  uint16_t half;
  std::memcpy(&half, source, sizeof(half));
  return half;
}

// One k of 16 rows, whose pairs start at `source`. Products of two BF16 are exact in float32, fused or not.
void add_bf16(const std::byte* source, uint16_t activation, float* sums) {
  const float value = f32_from_bf16(activation);
  for (int64_t row = 0; row < kHalfTileRows; ++row) sums[row] += f32_from_bf16(half_at(source + 4 * row)) * value;
}

// One k of 16 rows.
void add_f16(const std::byte* source, float activation, float* sums) {
  for (int64_t row = 0; row < kHalfTileRows; ++row) {
    sums[row] = std::fma(f32_from_f16(half_at(source + 2 * row)), activation, sums[row]);
  }
}

void multiply_row(const std::byte* tile, int64_t input_size, const uint16_t* activations, Sums& sums) {
  for (int64_t pair = 0; pair < (input_size + 1) / 2; ++pair) {
    const std::byte* source = tile + 64 * pair;
    add_bf16(source + 2, activations[2 * pair + 1], sums[pair % 2]);
    add_bf16(source, activations[2 * pair], sums[pair % 2]);
  }
}

void multiply_row(const std::byte* tile, int64_t input_size, const float* activations, Sums& sums) {
  for (int64_t k = 0; k < input_size; ++k) add_f16(tile + 32 * k, activations[k], sums[k % 2]);
}

template <typename Activation>
void multiply(const HalfProduct<Activation>& product) {
  constexpr bool kIsPadded = sizeof(Activation) == sizeof(uint16_t);
  const int64_t activation_stride = kIsPadded ? (product.input_size + 1) / 2 * 2 : product.input_size;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * half_tile_bytes(product.input_size);
    const int64_t column = tile * kHalfTileRows;
    const int64_t width = std::min(kHalfTileRows, product.column_count - column);
    for (int64_t row = 0; row < product.row_count; ++row) {
      Sums sums = {};
      multiply_row(source, product.input_size, product.activations + row * activation_stride, sums);
      float* y = product.y + row * product.column_count + column;
      for (int64_t i = 0; i < width; ++i) y[i] = sums[0][i] + sums[1][i];
    }
  }
}

constexpr HalfKernels kKernels = {.round = round, .multiply_bf16 = multiply<uint16_t>, .multiply_f16 = multiply<float>};

}  // namespace

const HalfKernels* half_kernels_reference() { return &kKernels; }

}  // namespace pelton
