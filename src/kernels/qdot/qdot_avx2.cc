// qdot on AVX2: a 32-byte vector holds 4 values of k for 8 of a tile's 16 rows. Without VNNI, vpmaddubsw adds pairs of
// products in 16 bits; how these stay in range is said where they are used.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/qdot/qdot_layout.h"

namespace pelton {

const QdotKernels* qdot_kernels_avx2();

namespace {

constexpr int kSlices = 8;
constexpr int64_t kHalfRows = 8;

inline __m256i broadcast4(const int8_t* values) {
  int32_t four;
  __builtin_memcpy(&four, values, sizeof(four));
  return _mm256_set1_epi32(four);
}

inline float largest_of(__m256 values) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

inline int32_t sum_of(__m256i values) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
}

void quantise(const float* x, int64_t count, QdotActivation* blocks) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (int64_t start = 0; start < count; start += kQdotBlockValues, ++blocks) {
    __m256 parts[4];
    __m256 magnitudes = _mm256_setzero_ps();
    for (int part = 0; part < 4; ++part) {
      parts[part] = _mm256_loadu_ps(x + start + 8 * part);
      magnitudes = _mm256_max_ps(magnitudes, _mm256_andnot_ps(sign, parts[part]));
    }
    const float largest = largest_of(magnitudes);
    const bool is_zero = largest < 1e-30f;
    const __m256 inverse = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / largest);
    __m256i integers[4];
    for (int part = 0; part < 4; ++part) integers[part] = _mm256_cvtps_epi32(_mm256_mul_ps(parts[part], inverse));
    // Packing works within halves of 128 bits; the permutation brings the groups of 4 back into order.
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(integers[0], integers[1]), _mm256_packs_epi32(integers[2], integers[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(blocks->values),
                        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const int32_t sum = sum_of(
        _mm256_add_epi32(_mm256_add_epi32(integers[0], integers[1]), _mm256_add_epi32(integers[2], integers[3])));
    blocks->scale = is_zero ? 0.0f : largest / 127.0f;
    blocks->scaled_sum = blocks->scale * static_cast<float>(sum);
    blocks->sum = sum;
  }
}

template <typename Layout>
inline __m256 load_scales(const std::byte* source, int64_t first_row) {
  source += first_row * Layout::kScaleBytes;
  if constexpr (Layout::kScaleBytes == 4) return _mm256_loadu_ps(reinterpret_cast<const float*>(source));
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
}

inline __m256i load32(const std::byte* source) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)); }

template <typename Layout>
inline void load_integers(const std::byte* source, __m256i (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 8) {
#pragma GCC unroll 8
    for (int slice = 0; slice < kSlices; ++slice) slices[slice] = load32(source + 64 * slice);
  } else {
    const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 4
    for (int slice = 0; slice < kSlices / 2; ++slice) {
      const __m256i pairs = load32(source + 64 * slice);
      slices[slice] = _mm256_and_si256(pairs, nibble);
      slices[slice + kSlices / 2] = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibble);
    }
  }
}

// The dot of a block, less offset · sum.
template <typename Layout>
inline __m256i dot_block(const __m256i (&slices)[kSlices], const QdotActivation& activation) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (Layout::kBits == 4) {
    // 8 slices of 2 products of at most 15 · 127 are below 2^15.
    __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int slice = 0; slice < kSlices; ++slice) {
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(slices[slice], broadcast4(activation.values + 4 * slice)));
    }
    const __m256i dot = _mm256_madd_epi16(pairs, ones);
    if constexpr (Layout::kOffset == 0) return dot;
    return _mm256_sub_epi32(dot, _mm256_set1_epi32(Layout::kOffset * activation.sum));
  } else {
    __m256i dot = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int slice = 0; slice < kSlices; ++slice) {
      const __m256i values = broadcast4(activation.values + 4 * slice);
      __m256i pairs;
      if constexpr (Layout::kOffset == 128) {
        // 255 · 127 · 2 would overflow: |w - 128| <= 128 with the sign moved to the activation does not.
        const __m256i weight = _mm256_xor_si256(slices[slice], _mm256_set1_epi8(-128));
        pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weight), _mm256_sign_epi8(values, weight));
      } else {
        static_assert(Layout::kOffset == 0);  // values of at most 5 bits
        pairs = _mm256_maddubs_epi16(slices[slice], values);
      }
      dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
    }
    return dot;
  }
}

// kRows rows of activations times rows [first_row, first_row + 8) of a tile. `sums`: [kRows][16].
template <typename Layout, int kRows>
void multiply_half(const std::byte* tile, int64_t first_row, int64_t block_count, const QdotActivation* activations,
                   float (*sums)[kQdotTileRows]) {
  __m256 totals[kRows];
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) totals[row] = _mm256_setzero_ps();
  for (int64_t block = 0; block < block_count; ++block) {
    __m256i slices[kSlices];
    load_integers<Layout>(tile + Layout::integers_at(block) + 4 * first_row, slices);
    const __m256 scales = load_scales<Layout>(tile + Layout::scales_at(block), first_row);
    __m256 minima = _mm256_setzero_ps();
    if constexpr (Layout::kHasMinimum) minima = load_scales<Layout>(tile + Layout::minima_at(block), first_row);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      const QdotActivation& activation = activations[row * block_count + block];
      totals[row] = _mm256_fmadd_ps(_mm256_mul_ps(scales, _mm256_set1_ps(activation.scale)),
                                    _mm256_cvtepi32_ps(dot_block<Layout>(slices, activation)), totals[row]);
      if constexpr (Layout::kHasMinimum) {
        totals[row] = _mm256_fmadd_ps(minima, _mm256_set1_ps(activation.scaled_sum), totals[row]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) _mm256_storeu_ps(sums[row] + first_row, totals[row]);
}

template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 4;
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * Layout::tile_bytes(product.block_count);
    const int64_t column = tile * kQdotTileRows;
    const int64_t columns_left = product.column_count - column;
    const size_t width = static_cast<size_t>(columns_left < kQdotTileRows ? columns_left : kQdotTileRows);
    for (int64_t first = 0; first < product.row_count; first += kGroupRows) {
      const int64_t rows_left = product.row_count - first;
      const int64_t rows = rows_left < kGroupRows ? rows_left : kGroupRows;
      const QdotActivation* activations = product.activations + first * product.block_count;
      float sums[kGroupRows][kQdotTileRows];
      for (int64_t half = 0; half < kQdotTileRows; half += kHalfRows) {
        switch (rows) {
          case 1:
            multiply_half<Layout, 1>(source, half, product.block_count, activations, sums);
            break;
          case 2:
            multiply_half<Layout, 2>(source, half, product.block_count, activations, sums);
            break;
          case 3:
            multiply_half<Layout, 3>(source, half, product.block_count, activations, sums);
            break;
          case 4:
            multiply_half<Layout, 4>(source, half, product.block_count, activations, sums);
            break;
        }
      }
      for (int64_t row = 0; row < rows; ++row) {
        __builtin_memcpy(product.y + (first + row) * product.column_count + column, sums[row], width * sizeof(float));
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

const QdotKernels* qdot_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
