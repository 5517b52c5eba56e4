// halfdot on Vec, for instruction sets without products of BF16; compiled once per ISA. Order of sums: halfdot.h.
#pragma once

#include "kernels/halfdot/halfdot.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

constexpr int64_t kPassRows = 8;  // of a tile, at a time
constexpr int kPassVecs = kPassRows / Vec::kWidth;

#if defined(__AVX2__)

inline void round8(const float* x, uint16_t* rounded) {
  const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x));
  const __m256i is_odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(is_odd, _mm256_set1_epi32(0x7FFF));
  const __m256i halves = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rounded),
                   _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}

// A pair of BF16 in each lane.
struct Pairs {
  __m256i raw;
};
inline Pairs load_pairs(const std::byte* source) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source))};
}
inline Pairs splat_pair(int32_t pair) { return {_mm256_set1_epi32(pair)}; }
inline Vec even_k(Pairs pairs) { return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs.raw, 16))}; }
inline Vec odd_k(Pairs pairs) {
  return {_mm256_castsi256_ps(_mm256_and_si256(pairs.raw, _mm256_set1_epi32(-0x10000)))};
}

inline Vec load_f16(const std::byte* source) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)))};
}

#elif defined(__aarch64__)

inline uint16x4_t round4(const float* x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(x));
  const uint32x4_t is_odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  return vshrn_n_u32(vaddq_u32(bits, vaddq_u32(is_odd, vdupq_n_u32(0x7FFF))), 16);
}
inline void round8(const float* x, uint16_t* rounded) { vst1q_u16(rounded, vcombine_u16(round4(x), round4(x + 4))); }

struct Pairs {
  uint32x4_t raw;
};
inline Pairs load_pairs(const std::byte* source) { return {vld1q_u32(reinterpret_cast<const uint32_t*>(source))}; }
inline Pairs splat_pair(int32_t pair) { return {vdupq_n_u32(static_cast<uint32_t>(pair))}; }
inline Vec even_k(Pairs pairs) { return {vreinterpretq_f32_u32(vshlq_n_u32(pairs.raw, 16))}; }
inline Vec odd_k(Pairs pairs) { return {vreinterpretq_f32_u32(vandq_u32(pairs.raw, vdupq_n_u32(0xFFFF0000)))}; }

inline Vec load_f16(const std::byte* source) {
  return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(source))))};
}

#endif

void round(const float* x, int64_t count, uint16_t* rounded) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) round8(x + i, rounded + i);
  if (i == count) return;
  const size_t left = static_cast<size_t>(count - i);
  float last[8] = {};
  uint16_t halves[8];
  __builtin_memcpy(last, x + i, left * sizeof(float));
  round8(last, halves);
  __builtin_memcpy(rounded + i, halves, left * sizeof(uint16_t));
}

// What differs between the two types. A step is what one sum takes at a time.
struct Bf16 {
  using Activation = uint16_t;
  static constexpr int64_t kStepBytes = 64;
  static constexpr int64_t kRowBytes = 4;  // within a step
  static constexpr int64_t kStepActivations = 2;
  static int64_t step_count(int64_t input_size) { return (input_size + 1) / 2; }

  struct Values {
    Vec even_k;
    Vec odd_k;
  };
  static Values split(Pairs pairs) { return {even_k(pairs), odd_k(pairs)}; }
  static Values load_weights(const std::byte* source) { return split(load_pairs(source)); }
  static Values splat_activation(const uint16_t* activations) {
    int32_t pair;
    __builtin_memcpy(&pair, activations, sizeof(pair));
    return split(splat_pair(pair));
  }
  static Vec add(Values weights, Values activation, Vec sum) {
    return fma(weights.even_k, activation.even_k, fma(weights.odd_k, activation.odd_k, sum));
  }
};

struct F16 {
  using Activation = float;
  static constexpr int64_t kStepBytes = 32;
  static constexpr int64_t kRowBytes = 2;
  static constexpr int64_t kStepActivations = 1;
  static int64_t step_count(int64_t input_size) { return input_size; }

  using Values = Vec;
  static Values load_weights(const std::byte* source) { return load_f16(source); }
  static Values splat_activation(const float* activation) { return splat(*activation); }
  static Vec add(Values weights, Values activation, Vec sum) { return fma(weights, activation, sum); }
};

template <int kRows>
using Sums = Vec[kRows][kPassVecs];

// One step of 8 rows of a tile, whose first starts at `tile`.
template <typename Type, int kRows>
inline void add_step(const std::byte* tile, const typename Type::Activation* activations, int64_t activation_stride,
                     Sums<kRows>& sums) {
  typename Type::Values weights[kPassVecs];
#pragma GCC unroll 2
  for (int v = 0; v < kPassVecs; ++v) weights[v] = Type::load_weights(tile + v * Vec::kWidth * Type::kRowBytes);
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) {
    const typename Type::Values activation = Type::splat_activation(activations + row * activation_stride);
#pragma GCC unroll 2
    for (int v = 0; v < kPassVecs; ++v) sums[row][v] = Type::add(weights[v], activation, sums[row][v]);
  }
}

// kRows rows of activations times 8 rows of a tile, whose first starts at `tile`. `totals`: [kRows][8].
template <typename Type, int kRows>
void multiply_pass(const std::byte* tile, int64_t step_count, const typename Type::Activation* activations,
                   float (*totals)[kPassRows]) {
  const int64_t activation_stride = step_count * Type::kStepActivations;
  Sums<kRows> even;
  Sums<kRows> odd;
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int v = 0; v < kPassVecs; ++v) even[row][v] = odd[row][v] = splat(0);
  }
  int64_t step = 0;
  for (; step + 2 <= step_count; step += 2) {
    const std::byte* source = tile + Type::kStepBytes * step;
    const typename Type::Activation* values = activations + step * Type::kStepActivations;
    add_step<Type, kRows>(source, values, activation_stride, even);
    add_step<Type, kRows>(source + Type::kStepBytes, values + Type::kStepActivations, activation_stride, odd);
  }
  if (step < step_count) {
    add_step<Type, kRows>(tile + Type::kStepBytes * step, activations + step * Type::kStepActivations,
                          activation_stride, even);
  }
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int v = 0; v < kPassVecs; ++v) store(totals[row] + v * Vec::kWidth, even[row][v] + odd[row][v]);
  }
}

template <typename Type>
void multiply_pass(int64_t row_count, const std::byte* tile, int64_t step_count,
                   const typename Type::Activation* activations, float (*totals)[kPassRows]) {
  switch (row_count) {
    case 1:
      return multiply_pass<Type, 1>(tile, step_count, activations, totals);
    case 2:
      return multiply_pass<Type, 2>(tile, step_count, activations, totals);
    case 3:
      return multiply_pass<Type, 3>(tile, step_count, activations, totals);
    case 4:
      return multiply_pass<Type, 4>(tile, step_count, activations, totals);
  }
}

template <typename Type>
void multiply(const HalfProduct<typename Type::Activation>& product) {
  constexpr int64_t kGroupRows = 4;  // two sums each: half of the registers
  const int64_t step_count = Type::step_count(product.input_size);
  const int64_t activation_stride = step_count * Type::kStepActivations;
  const int64_t tile_bytes = (product.input_size + 1) / 2 * 64;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * tile_bytes;
    for (int64_t first = 0; first < product.row_count; first += kGroupRows) {
      const int64_t rows_left = product.row_count - first;
      const int64_t rows = rows_left < kGroupRows ? rows_left : kGroupRows;
      for (int64_t pass = 0; pass < kHalfTileRows; pass += kPassRows) {
        const int64_t column = tile * kHalfTileRows + pass;
        const int64_t columns_left = product.column_count - column;
        if (columns_left <= 0) break;
        const size_t width = static_cast<size_t>(columns_left < kPassRows ? columns_left : kPassRows);
        float totals[kGroupRows][kPassRows];
        multiply_pass<Type>(rows, source + pass * Type::kRowBytes, step_count,
                            product.activations + first * activation_stride, totals);
        for (int64_t row = 0; row < rows; ++row) {
          __builtin_memcpy(product.y + (first + row) * product.column_count + column, totals[row],
                           width * sizeof(float));
        }
      }
    }
  }
}

constexpr HalfKernels kKernels = {.round = round, .multiply_bf16 = multiply<Bf16>, .multiply_f16 = multiply<F16>};

}  // namespace
}  // namespace pelton
