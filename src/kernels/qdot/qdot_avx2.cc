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
    const int32_t half_sum = sum_of(_mm256_add_epi32(integers[0], integers[1]));
    const int32_t sum = half_sum + sum_of(_mm256_add_epi32(integers[2], integers[3]));
    blocks->scale = is_zero ? 0.0f : largest / 127.0f;
    blocks->scaled_sum = blocks->scale * static_cast<float>(sum);
    blocks->sum = sum;
    blocks->half_sum = half_sum;
  }
}

inline __m256 load_f16(const std::byte* source) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
}

// 8 of 16 factors at `source`: F16, or where there are super-blocks int8 to be multiplied with the F16 at `super`.
template <typename Layout>
inline __m256 load_scales(const std::byte* source, const std::byte* super, int64_t first_row) {
  if constexpr (!Layout::kIsSuper) return load_f16(source + 2 * first_row);
  const __m128i integers = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source + first_row));
  return _mm256_mul_ps(load_f16(super + 2 * first_row), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(integers)));
}

inline __m256i load32(const std::byte* source) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)); }

// Bits 4 and up of a value are the bits of `mask` in `bits` shifted by kShift, to the left where it is positive.
template <int kShift>
inline __m256i or_high_bits(__m256i nibbles, __m256i bits, __m256i mask) {
  if constexpr (kShift > 0) bits = _mm256_slli_epi16(bits, kShift);
  if constexpr (kShift < 0) bits = _mm256_srli_epi16(bits, -kShift);
  return _mm256_or_si256(nibbles, _mm256_and_si256(bits, mask));
}

template <typename Layout>
inline void load_high_bits(const std::byte* source, __m256i (&slices)[kSlices]) {
  if constexpr (Layout::kBits == 5) {
    const __m256i mask = _mm256_set1_epi8(16);
    const __m256i bits = load32(source);
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
    const __m256i mask = _mm256_set1_epi8(48);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i bits = load32(source + 64 * half);
      __m256i* four = slices + 4 * half;
      four[0] = or_high_bits<4>(four[0], bits, mask);
      four[1] = or_high_bits<2>(four[1], bits, mask);
      four[2] = or_high_bits<0>(four[2], bits, mask);
      four[3] = or_high_bits<-2>(four[3], bits, mask);
    }
  }
}

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
    if constexpr (Layout::kBits > 4) load_high_bits<Layout>(source + Layout::kHighBitsAt, slices);
  }
}

// The dot of kCount slices; in 8 bits with the offset already taken from the weight.
template <typename Layout, int kCount>
inline __m256i dot_slices(const __m256i* slices, const int8_t* values) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i dot = _mm256_setzero_si256();
  if constexpr (Layout::kBits == 8) {
    static_assert(Layout::kOffset == 128);
#pragma GCC unroll 8
    for (int slice = 0; slice < kCount; ++slice) {
      // 255 · 127 · 2 would overflow: |w - 128| <= 128 with the sign moved to the activation does not.
      const __m256i weight = _mm256_xor_si256(slices[slice], _mm256_set1_epi8(-128));
      const __m256i signed_values = _mm256_sign_epi8(broadcast4(values + 4 * slice), weight);
      dot =
          _mm256_add_epi32(dot, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(weight), signed_values), ones));
    }
  } else {
    // So many slices, of 2 products of at most (2^bits - 1) · 127 each, stay below 2^15: 8, 4, 2 in 4, 5, 6 bits.
    constexpr int kTogether = Layout::kBits == 4 ? 8 : Layout::kBits == 5 ? 4 : 2;
    static_assert(kTogether * 2 * ((1 << Layout::kBits) - 1) * 127 < 1 << 15);
    constexpr int kStep = kTogether < kCount ? kTogether : kCount;
#pragma GCC unroll 4
    for (int first = 0; first < kCount; first += kStep) {
      __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int slice = first; slice < first + kStep; ++slice) {
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(slices[slice], broadcast4(values + 4 * slice)));
      }
      dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
    }
  }
  return dot;
}

inline __m256i less_offset(__m256i dot, int32_t offset) { return _mm256_sub_epi32(dot, _mm256_set1_epi32(offset)); }

// The dot of a block, less offset · sum.
template <typename Layout>
inline __m256i dot_block(const __m256i (&slices)[kSlices], const QdotActivation& activation) {
  const __m256i dot = dot_slices<Layout, kSlices>(slices, activation.values);
  if constexpr (Layout::kOffset == 0 || Layout::kBits == 8) return dot;
  return less_offset(dot, Layout::kOffset * activation.sum);
}

// kRows rows of activations times rows [first_row, first_row + 8) of a tile. `sums`: [kRows][16].
template <typename Layout, int kRows>
void multiply_half(const std::byte* tile, int64_t first_row, int64_t block_count, const QdotActivation* activations,
                   float (*sums)[kQdotTileRows]) {
  constexpr int kHalf = kSlices / 2;
  __m256 totals[kRows];
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) totals[row] = _mm256_setzero_ps();
  for (int64_t block = 0; block < block_count; ++block) {
    __m256i slices[kSlices];
    load_integers<Layout>(tile + Layout::integers_at(block) + 4 * first_row, slices);
    const std::byte* scales_source = tile + Layout::scales_at(block);
    const std::byte* super_scales = tile + Layout::super_scales_at(block);
    const __m256 scales = load_scales<Layout>(scales_source, super_scales, first_row);
    __m256 scales_high = _mm256_setzero_ps();
    if constexpr (Layout::kScaleCount == 2) {
      scales_high = load_scales<Layout>(scales_source + kQdotTileRows, super_scales, first_row);
    }
    __m256 minima = _mm256_setzero_ps();
    if constexpr (Layout::kHasMinimum) {
      minima = load_scales<Layout>(tile + Layout::minima_at(block), tile + Layout::super_minima_at(block), first_row);
    }
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      const QdotActivation& activation = activations[row * block_count + block];
      const __m256 scale = _mm256_set1_ps(activation.scale);
      if constexpr (Layout::kScaleCount == 2) {
        const __m256i low =
            less_offset(dot_slices<Layout, kHalf>(slices, activation.values), Layout::kOffset * activation.half_sum);
        const __m256i high = less_offset(dot_slices<Layout, kHalf>(slices + kHalf, activation.values + 16),
                                         Layout::kOffset * (activation.sum - activation.half_sum));
        const __m256 scaled_high = _mm256_mul_ps(scales_high, _mm256_cvtepi32_ps(high));
        const __m256 block_sum = _mm256_fmadd_ps(scales, _mm256_cvtepi32_ps(low), scaled_high);
        totals[row] = _mm256_fmadd_ps(block_sum, scale, totals[row]);
      } else {
        totals[row] = _mm256_fmadd_ps(_mm256_mul_ps(scales, scale),
                                      _mm256_cvtepi32_ps(dot_block<Layout>(slices, activation)), totals[row]);
      }
      if constexpr (Layout::kHasMinimum) {
        totals[row] = _mm256_fmadd_ps(minima, _mm256_set1_ps(activation.scaled_sum), totals[row]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < kRows; ++row) _mm256_storeu_ps(sums[row] + first_row, totals[row]);
}

template <typename Layout>
void multiply_half(int64_t row_count, const std::byte* tile, int64_t first_row, int64_t block_count,
                   const QdotActivation* activations, float (*sums)[kQdotTileRows]) {
  switch (row_count) {
    case 1:
      return multiply_half<Layout, 1>(tile, first_row, block_count, activations, sums);
    case 2:
      return multiply_half<Layout, 2>(tile, first_row, block_count, activations, sums);
    case 3:
      return multiply_half<Layout, 3>(tile, first_row, block_count, activations, sums);
    case 4:
      return multiply_half<Layout, 4>(tile, first_row, block_count, activations, sums);
  }
}

template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kGroupRows = 4;
  multiply_in_groups<Layout, kGroupRows>(product, [&](const std::byte* tile, int64_t row_count,
                                                      const QdotActivation* activations, float(*sums)[kQdotTileRows]) {
    for (int64_t half = 0; half < kQdotTileRows; half += kHalfRows) {
      multiply_half<Layout>(row_count, tile, half, product.block_count, activations, sums);
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

const QdotKernels* qdot_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
