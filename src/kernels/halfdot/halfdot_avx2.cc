#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/halfdot/halfdot.h"

namespace pelton {

const HalfKernels* half_kernels_avx2();

namespace {

constexpr int64_t kHalfRows = 8;  // of a tile: a vector's floats

inline __m128i round8(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i is_odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(is_odd, _mm256_set1_epi32(0x7FFF));
  const __m256i halves = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

void round(const float* x, int64_t count, uint16_t* rounded) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rounded + i), round8(_mm256_loadu_ps(x + i)));
  }
  if (i == count) return;
  const size_t left = static_cast<size_t>(count - i);
  float last[8] = {};
  __builtin_memcpy(last, x + i, left * sizeof(float));
  const __m128i halves = round8(_mm256_loadu_ps(last));
  __builtin_memcpy(rounded + i, &halves, left * sizeof(uint16_t));
}

// What differs between the two types. A step is what one sum takes at a time.
struct Bf16 {
  using Activation = uint16_t;
  static constexpr int64_t kStepBytes = 64;
  static constexpr int64_t kRowBytes = 4;  // within a step
  static constexpr int64_t kStepActivations = 2;
  static int64_t step_count(int64_t input_size) { return (input_size + 1) / 2; }

  struct Weights {
    __m256 even_k;
    __m256 odd_k;
  };
  static Weights split(__m256i pairs) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)))};
  }
  static Weights load(const std::byte* source) {
    return split(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
  }
  static __m256 add(Weights weights, const uint16_t* activations, __m256 sum) {
    int32_t pair;
    __builtin_memcpy(&pair, activations, sizeof(pair));
    const Weights values = split(_mm256_set1_epi32(pair));
    return _mm256_fmadd_ps(weights.even_k, values.even_k, _mm256_fmadd_ps(weights.odd_k, values.odd_k, sum));
  }
};

struct F16 {
  using Activation = float;
  using Weights = __m256;
  static constexpr int64_t kStepBytes = 32;
  static constexpr int64_t kRowBytes = 2;
  static constexpr int64_t kStepActivations = 1;
  static int64_t step_count(int64_t input_size) { return input_size; }
  static Weights load(const std::byte* source) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
  }
  static __m256 add(Weights weights, const float* activations, __m256 sum) {
    return _mm256_fmadd_ps(weights, _mm256_set1_ps(*activations), sum);
  }
};

// kRows rows of activations times 8 rows of a tile, whose first starts at `tile`. `totals`: [kRows][8].
template <typename Type, int kRows>
void multiply_half(const std::byte* tile, int64_t step_count, const typename Type::Activation* activations,
                   float (*totals)[kHalfRows]) {
  const int64_t activation_stride = step_count * Type::kStepActivations;
  __m256 sums[2][kRows];
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) sums[0][row] = sums[1][row] = _mm256_setzero_ps();
  int64_t step = 0;
  for (; step + 2 <= step_count; step += 2) {
#pragma GCC unroll 2
    for (int turn = 0; turn < 2; ++turn) {
      const typename Type::Weights weights = Type::load(tile + Type::kStepBytes * (step + turn));
      const typename Type::Activation* values = activations + (step + turn) * Type::kStepActivations;
#pragma GCC unroll 4
      for (int row = 0; row < kRows; ++row) {
        sums[turn][row] = Type::add(weights, values + row * activation_stride, sums[turn][row]);
      }
    }
  }
  if (step < step_count) {
    const typename Type::Weights weights = Type::load(tile + Type::kStepBytes * step);
    const typename Type::Activation* values = activations + step * Type::kStepActivations;
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      sums[0][row] = Type::add(weights, values + row * activation_stride, sums[0][row]);
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) _mm256_storeu_ps(totals[row], _mm256_add_ps(sums[0][row], sums[1][row]));
}

template <typename Type>
void multiply_half(int64_t row_count, const std::byte* tile, int64_t step_count,
                   const typename Type::Activation* activations, float (*totals)[kHalfRows]) {
  switch (row_count) {
    case 1:
      return multiply_half<Type, 1>(tile, step_count, activations, totals);
    case 2:
      return multiply_half<Type, 2>(tile, step_count, activations, totals);
    case 3:
      return multiply_half<Type, 3>(tile, step_count, activations, totals);
    case 4:
      return multiply_half<Type, 4>(tile, step_count, activations, totals);
  }
}

template <typename Type>
void multiply(const HalfProduct<typename Type::Activation>& product) {
  constexpr int64_t kGroupRows = 4;  // two sums each: 8 of 16 registers
  const int64_t step_count = Type::step_count(product.input_size);
  const int64_t activation_stride = step_count * Type::kStepActivations;
  const int64_t tile_bytes = (product.input_size + 1) / 2 * 64;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * tile_bytes;
    for (int64_t first = 0; first < product.row_count; first += kGroupRows) {
      const int64_t rows_left = product.row_count - first;
      const int64_t rows = rows_left < kGroupRows ? rows_left : kGroupRows;
      for (int64_t half = 0; half < kHalfTileRows; half += kHalfRows) {
        const int64_t column = tile * kHalfTileRows + half;
        const int64_t columns_left = product.column_count - column;
        if (columns_left <= 0) break;
        const size_t width = static_cast<size_t>(columns_left < kHalfRows ? columns_left : kHalfRows);
        float totals[kGroupRows][kHalfRows];
        multiply_half<Type>(rows, source + half * Type::kRowBytes, step_count,
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

const HalfKernels* half_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
