// qdot on AVX-512 with VNNI: one 64-byte vector holds 4 values of k for the 16 rows of a tile, one vpdpbusd multiplies
// them with 4 broadcast activations.
#if defined(__x86_64__)
#include <immintrin.h>

// GCC 12 takes the deliberately undefined operand inside its own intrinsics for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/qdot/qdot_layout.h"

namespace pelton {

const QdotKernels* qdot_kernels_avx512();

namespace {

constexpr int kSlices = 8;

inline __m512i broadcast4(const int8_t* values) {
  int32_t four;
  __builtin_memcpy(&four, values, sizeof(four));
  return _mm512_set1_epi32(four);
}

void quantise(const float* x, int64_t count, QdotActivation* blocks) {
  for (int64_t start = 0; start < count; start += kQdotBlockValues, ++blocks) {
    const __m512 low = _mm512_loadu_ps(x + start);
    const __m512 high = _mm512_loadu_ps(x + start + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
    const bool is_zero = largest < 1e-30f;
    const __m512 inverse = _mm512_set1_ps(is_zero ? 0.0f : 127.0f / largest);
    const __m512i low_values = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
    const __m512i high_values = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(blocks->values), _mm512_cvtsepi32_epi8(low_values));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(blocks->values + 16), _mm512_cvtsepi32_epi8(high_values));
    const int32_t half_sum = _mm512_reduce_add_epi32(low_values);
    const int32_t sum = half_sum + _mm512_reduce_add_epi32(high_values);
    blocks->scale = is_zero ? 0.0f : largest / 127.0f;
    blocks->scaled_sum = blocks->scale * static_cast<float>(sum);
    blocks->sum = sum;
    blocks->half_sum = half_sum;
  }
}

inline __m512 load_f16(const std::byte* source) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
}

// 16 factors at `source`: F16, or int8 to be multiplied with the super-block's.
template <typename Layout>
inline __m512 load_scales(const std::byte* source, __m512 super) {
  if constexpr (!Layout::kIsSuper) return load_f16(source);
  const __m128i integers = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
  return _mm512_mul_ps(super, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(integers)));
}

// Bits 4 and up of a value are the bits of `mask` in `bits` shifted by kShift, to the left where it is positive.
template <int kShift>
inline __m512i or_high_bits(__m512i nibbles, __m512i bits, __m512i mask) {
  if constexpr (kShift > 0) bits = _mm512_slli_epi16(bits, kShift);
  if constexpr (kShift < 0) bits = _mm512_srli_epi16(bits, -kShift);
  return _mm512_or_si512(nibbles, _mm512_and_si512(bits, mask));
}

template <typename Layout>
inline void load_high_bits(const std::byte* source, __m512i (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 5) {
    const __m512i mask = _mm512_set1_epi8(16);
    const __m512i bits = _mm512_loadu_si512(source);
    slices[0] = or_high_bits<4>(slices[0], bits, mask);
    slices[1] = or_high_bits<3>(slices[1], bits, mask);
    slices[2] = or_high_bits<2>(slices[2], bits, mask);
    slices[3] = or_high_bits<1>(slices[3], bits, mask);
    slices[4] = or_high_bits<0>(slices[4], bits, mask);
    slices[5] = or_high_bits<-1>(slices[5], bits, mask);
    slices[6] = or_high_bits<-2>(slices[6], bits, mask);
    slices[7] = or_high_bits<-3>(slices[7], bits, mask);
  } else {
    static_assert(Layout::kBits == 6);
    const __m512i mask = _mm512_set1_epi8(48);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512i bits = _mm512_loadu_si512(source + 64 * half);
      __m512i* four = slices + 4 * half;
      four[0] = or_high_bits<4>(four[0], bits, mask);
      four[1] = or_high_bits<2>(four[1], bits, mask);
      four[2] = or_high_bits<0>(four[2], bits, mask);
      four[3] = or_high_bits<-2>(four[3], bits, mask);
    }
  }
}

template <typename Layout>
inline void load_integers(const std::byte* source, __m512i (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 8) {
#pragma GCC unroll 8
    for (int slice = 0; slice < kSlices; ++slice) slices[slice] = _mm512_loadu_si512(source + 64 * slice);
  } else {
    const __m512i nibble = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int slice = 0; slice < kSlices / 2; ++slice) {
      const __m512i pairs = _mm512_loadu_si512(source + 64 * slice);
      slices[slice] = _mm512_and_si512(pairs, nibble);
      slices[slice + kSlices / 2] = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), nibble);
    }
    if constexpr (Layout::kBits > 4) load_high_bits<Layout>(source + Layout::kHighBitsAt, slices);
  }
}

// DRAM needs the request about 8 KiB ahead: the hardware's own prefetch falls behind as soon as a block takes time
// (bench/kernels_bench, weights from DRAM, 1 thread, 8 rows: Q8_0 68 µs without and 23 µs with; 2 to 6 KiB: 35 to 26
// µs).
template <typename Layout>
inline void prefetch_ahead(const std::byte* tile, int64_t block) {
  constexpr int64_t kAheadBytes = 8192;
  constexpr int64_t kLines = Layout::kUnitBytes / 64;
  const std::byte* unit = tile + block / Layout::kUnitBlocks * Layout::kUnitBytes + kAheadBytes;
  const int64_t begin = block % Layout::kUnitBlocks * kLines / Layout::kUnitBlocks;
  const int64_t end = (block % Layout::kUnitBlocks + 1) * kLines / Layout::kUnitBlocks;
  for (int64_t line = begin; line < end; ++line) _mm_prefetch(unit + 64 * line, _MM_HINT_T0);
}

// kRows rows of activations times one tile.
template <typename Layout, int kRows, bool kIsFirstPass>
void multiply_tile(const std::byte* tile, int64_t block_count, const QdotActivation* activations, float* y,
                   int64_t y_stride, __mmask16 columns) {
  __m512 sums[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) sums[row] = _mm512_setzero_ps();

  __m512 super_scales = _mm512_setzero_ps();
  __m512 super_minima = _mm512_setzero_ps();
  for (int64_t block = 0; block < block_count; ++block) {
    if constexpr (kIsFirstPass) prefetch_ahead<Layout>(tile, block);
    __m512i slices[kSlices];
    load_integers<Layout>(tile + Layout::integers_at(block), slices);
    if (Layout::kIsSuper && block % Layout::kUnitBlocks == 0) {
      super_scales = load_f16(tile + Layout::super_scales_at(block));
      super_minima = load_f16(tile + Layout::super_minima_at(block));
    }
    const std::byte* scales_source = tile + Layout::scales_at(block);
    const __m512 scales = load_scales<Layout>(scales_source, super_scales);
    __m512 scales_high = _mm512_setzero_ps();
    if constexpr (Layout::kScaleCount == 2) {
      scales_high = load_scales<Layout>(scales_source + kQdotTileRows, super_scales);
    }
    __m512 minima = _mm512_setzero_ps();
    if constexpr (Layout::kHasMinimum) minima = load_scales<Layout>(tile + Layout::minima_at(block), super_minima);

#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const QdotActivation& activation = activations[row * block_count + block];
      // Two chains, so that few rows do not wait for eight latencies each; many overlap, and save the addition.
      constexpr bool kHasTwoChains = kRows <= 4 || Layout::kScaleCount == 2;
      __m512i dot = _mm512_setzero_si512();
      __m512i dot_high = _mm512_setzero_si512();
      if constexpr (Layout::kScaleCount == 2) {
        dot = _mm512_set1_epi32(-Layout::kOffset * activation.half_sum);
        dot_high = _mm512_set1_epi32(-Layout::kOffset * (activation.sum - activation.half_sum));
      } else if constexpr (Layout::kOffset != 0) {
        dot = _mm512_set1_epi32(-Layout::kOffset * activation.sum);
      }
#pragma GCC unroll 4
      for (int slice = 0; slice < kSlices / 2; ++slice) {
        dot = _mm512_dpbusd_epi32(dot, slices[slice], broadcast4(activation.values + 4 * slice));
        __m512i& chain = kHasTwoChains ? dot_high : dot;
        chain = _mm512_dpbusd_epi32(chain, slices[slice + 4], broadcast4(activation.values + 4 * slice + 16));
      }
      const __m512 scale = _mm512_set1_ps(activation.scale);
      if constexpr (Layout::kScaleCount == 2) {
        const __m512 scaled_high = _mm512_mul_ps(scales_high, _mm512_cvtepi32_ps(dot_high));
        const __m512 block_sum = _mm512_fmadd_ps(scales, _mm512_cvtepi32_ps(dot), scaled_high);
        sums[row] = _mm512_fmadd_ps(block_sum, scale, sums[row]);
      } else {
        if constexpr (kHasTwoChains) dot = _mm512_add_epi32(dot, dot_high);
        sums[row] = _mm512_fmadd_ps(_mm512_mul_ps(scales, scale), _mm512_cvtepi32_ps(dot), sums[row]);
      }
      if constexpr (Layout::kHasMinimum) {
        sums[row] = _mm512_fmadd_ps(minima, _mm512_set1_ps(activation.scaled_sum), sums[row]);
      }
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) _mm512_mask_storeu_ps(y + row * y_stride, columns, sums[row]);
}

template <typename Layout, bool kIsFirstPass>
void multiply_tile(int64_t row_count, const std::byte* tile, int64_t block_count, const QdotActivation* activations,
                   float* y, int64_t y_stride, __mmask16 columns) {
  switch (row_count) {
#define PELTON_ROWS(rows) \
  case rows:              \
    return multiply_tile<Layout, rows, kIsFirstPass>(tile, block_count, activations, y, y_stride, columns);
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

// Cuts row_count into the fewest groups of at most `group_max` rows, nearly equal: the rows of the next group.
inline int64_t next_group(int64_t rows_left, int64_t group_max) {
  const int64_t groups = (rows_left + group_max - 1) / group_max;
  return (rows_left + groups - 1) / groups;
}

inline __mmask16 column_mask(const QdotProduct& product, int64_t tile) {
  const int64_t width = product.column_count - tile * kQdotTileRows;
  return width >= kQdotTileRows ? 0xFFFF : static_cast<__mmask16>((1u << width) - 1);
}

// 16 columns, 8 rows at a time: the slices of a block stay in 8 registers and are used for 8 rows. The first rows fetch
// the tile from DRAM, the others find it in L1 or L2. Expanding tiles to bytes first, in panels of 32 columns, was
// measured: up to 5 % faster for Q4_1 from 128 rows on, slower nearly everywhere else.
template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 8;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * Layout::tile_bytes(product.block_count);
    const __mmask16 columns = column_mask(product, tile);
    for (int64_t first = 0; first < product.row_count;) {
      const int64_t rows = next_group(product.row_count - first, kGroupRows);
      const QdotActivation* activations = product.activations + first * product.block_count;
      float* y = product.y + first * product.column_count + tile * kQdotTileRows;
      if (first == 0) {
        multiply_tile<Layout, true>(rows, source, product.block_count, activations, y, product.column_count, columns);
      } else {
        multiply_tile<Layout, false>(rows, source, product.block_count, activations, y, product.column_count, columns);
      }
      first += rows;
    }
  }
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

const QdotKernels* qdot_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
