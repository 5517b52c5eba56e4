#if defined(__x86_64__)
#include <immintrin.h>

// GCC 12 takes the deliberately undefined operand inside its own intrinsics for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/halfdot/halfdot.h"

namespace pelton {

const HalfKernels* half_kernels_avx512();

namespace {

void round(const float* x, int64_t count, uint16_t* rounded) {
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 mask = count - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (count - i)) - 1);
    const __m256bh halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i));
    _mm256_mask_storeu_epi16(rounded + i, mask, reinterpret_cast<__m256i>(halves));
  }
}

// What differs between the two types. A step is what one sum takes at a time.
struct Bf16 {
  using Activation = uint16_t;
  using Weights = __m512bh;
  static constexpr int64_t kStepBytes = 64;
  static constexpr int64_t kStepActivations = 2;
  static int64_t step_count(int64_t input_size) { return (input_size + 1) / 2; }
  static Weights load(const std::byte* source) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(source)); }
  static __m512 add(Weights weights, const uint16_t* activations, __m512 sum) {
    int32_t pair;
    __builtin_memcpy(&pair, activations, sizeof(pair));
    return _mm512_dpbf16_ps(sum, weights, reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
  }
};

struct F16 {
  using Activation = float;
  using Weights = __m512;
  static constexpr int64_t kStepBytes = 32;
  static constexpr int64_t kStepActivations = 1;
  static int64_t step_count(int64_t input_size) { return input_size; }
  static Weights load(const std::byte* source) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
  }
  static __m512 add(Weights weights, const float* activations, __m512 sum) {
    return _mm512_fmadd_ps(weights, _mm512_set1_ps(*activations), sum);
  }
};

// kRows rows of activations times one tile.
template <typename Type, int kRows>
void multiply_tile(const std::byte* tile, int64_t step_count, const typename Type::Activation* activations, float* y,
                   int64_t y_stride, __mmask16 columns) {
  // As qdot's: DRAM needs the request about 8 KiB ahead.
  constexpr int64_t kAheadBytes = 8192;
  const int64_t activation_stride = step_count * Type::kStepActivations;
  __m512 even[kRows];
  __m512 odd[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) even[row] = odd[row] = _mm512_setzero_ps();

  int64_t step = 0;
  for (; step + 2 <= step_count; step += 2) {
    const std::byte* source = tile + Type::kStepBytes * step;
    _mm_prefetch(source + kAheadBytes, _MM_HINT_T0);
    if constexpr (Type::kStepBytes == 64) _mm_prefetch(source + kAheadBytes + 64, _MM_HINT_T0);
    const typename Type::Weights first = Type::load(source);
    const typename Type::Weights second = Type::load(source + Type::kStepBytes);
    const typename Type::Activation* values = activations + step * Type::kStepActivations;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      even[row] = Type::add(first, values + row * activation_stride, even[row]);
      odd[row] = Type::add(second, values + row * activation_stride + Type::kStepActivations, odd[row]);
    }
  }
  if (step < step_count) {
    const typename Type::Weights last = Type::load(tile + Type::kStepBytes * step);
    const typename Type::Activation* values = activations + step * Type::kStepActivations;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) even[row] = Type::add(last, values + row * activation_stride, even[row]);
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    _mm512_mask_storeu_ps(y + row * y_stride, columns, _mm512_add_ps(even[row], odd[row]));
  }
}

template <typename Type>
void multiply_tile(int64_t row_count, const std::byte* tile, int64_t step_count,
                   const typename Type::Activation* activations, float* y, int64_t y_stride, __mmask16 columns) {
  switch (row_count) {
#define PELTON_ROWS(rows) \
  case rows:              \
    return multiply_tile<Type, rows>(tile, step_count, activations, y, y_stride, columns);
    PELTON_ROWS(1)
    PELTON_ROWS(2)
    PELTON_ROWS(3)
    PELTON_ROWS(4)
    PELTON_ROWS(5)
    PELTON_ROWS(6)
    PELTON_ROWS(7)
    PELTON_ROWS(8)
#undef PELTON_ROWS
  }
}

template <typename Type>
void multiply(const HalfProduct<typename Type::Activation>& product) {
  constexpr int64_t kGroupRows = 8;  // two sums each: 16 of 32 registers
  const int64_t step_count = Type::step_count(product.input_size);
  const int64_t activation_stride = step_count * Type::kStepActivations;
  const int64_t tile_bytes = (product.input_size + 1) / 2 * 64;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const int64_t columns_left = product.column_count - tile * kHalfTileRows;
    const __mmask16 columns = columns_left >= kHalfTileRows ? 0xFFFF : static_cast<__mmask16>((1u << columns_left) - 1);
    for (int64_t first = 0; first < product.row_count;) {
      // The fewest groups, of nearly equal size.
      const int64_t rows_left = product.row_count - first;
      const int64_t group_count = (rows_left + kGroupRows - 1) / kGroupRows;
      const int64_t rows = (rows_left + group_count - 1) / group_count;
      multiply_tile<Type>(
          rows, product.tiles + tile * tile_bytes, step_count, product.activations + first * activation_stride,
          product.y + first * product.column_count + tile * kHalfTileRows, product.column_count, columns);
      first += rows;
    }
  }
}

constexpr HalfKernels kKernels = {.round = round, .multiply_bf16 = multiply<Bf16>, .multiply_f16 = multiply<F16>};

}  // namespace

const HalfKernels* half_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
