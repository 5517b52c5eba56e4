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

constexpr int kSlicePairs = kQdotBlockValues / 8;

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

// Bits kFrom and up of a byte, moved to bit 4 and up; `mask` takes what else there is away.
template <int kFrom>
inline __m512i high_bits(__m512i bits, __m512i mask) {
  constexpr int kShift = 4 - kFrom;
  if constexpr (kShift > 0) bits = _mm512_slli_epi16(bits, kShift);
  if constexpr (kShift < 0) bits = _mm512_srli_epi16(bits, -kShift);
  return _mm512_and_si512(bits, mask);
}

// Slices kSlice (values 4 kSlice and on of a block) and kSlice + 4 (16 values later).
struct SlicePair {
  __m512i low;
  __m512i high;
};

template <typename Layout, int kSlice>
inline SlicePair load_slices(const std::byte* source) {
  if constexpr (Layout::kBits == 8) {
    return {_mm512_loadu_si512(source + 64 * kSlice), _mm512_loadu_si512(source + 64 * (kSlice + kSlicePairs))};
  }
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i nibbles = _mm512_loadu_si512(source + 64 * kSlice);
  SlicePair pair = {_mm512_and_si512(nibbles, nibble), _mm512_and_si512(_mm512_srli_epi16(nibbles, 4), nibble)};
  if constexpr (Layout::kBits == 5) {
    const __m512i mask = _mm512_set1_epi8(16);
    const __m512i bits = _mm512_loadu_si512(source + Layout::kHighBitsAt);
    pair.low = _mm512_or_si512(pair.low, high_bits<kSlice>(bits, mask));
    pair.high = _mm512_or_si512(pair.high, high_bits<kSlice + kSlicePairs>(bits, mask));
  }
  if constexpr (Layout::kBits == 6) {
    const __m512i mask = _mm512_set1_epi8(48);
    const std::byte* bits = source + Layout::kHighBitsAt;
    pair.low = _mm512_or_si512(pair.low, high_bits<2 * kSlice>(_mm512_loadu_si512(bits), mask));
    pair.high = _mm512_or_si512(pair.high, high_bits<2 * kSlice>(_mm512_loadu_si512(bits + 64), mask));
  }
  return pair;
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

// Integer products of a block, for each tile and row; those of values 16 and up apart where they must be or where few
// chains would each wait for their own latency.
template <typename Layout, int kTiles, int kRows>
struct BlockDots {
  static constexpr bool kHasTwo = Layout::kScaleCount == 2 || kTiles * kRows <= 4;
  __m512i low[kTiles][kRows];
  __m512i high[kTiles][kRows];  // only where kHasTwo
};

template <typename Layout, int kTiles, int kRows>
inline void start_dots(const QdotActivation* activations, int64_t block_count, BlockDots<Layout, kTiles, kRows>& dots) {
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const QdotActivation& activation = activations[row * block_count];
    const int32_t low_sum = Layout::kScaleCount == 2 ? activation.half_sum : activation.sum;
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) {
      dots.low[tile][row] = _mm512_set1_epi32(-Layout::kOffset * low_sum);
      if constexpr (BlockDots<Layout, kTiles, kRows>::kHasTwo)
        dots.high[tile][row] = _mm512_set1_epi32(-Layout::kOffset * (activation.sum - low_sum));
    }
  }
}

template <int kSlice, typename Layout, int kTiles, int kRows>
inline void add_slices(const std::byte* const (&integers)[kTiles], const QdotActivation* activations,
                       int64_t block_count, BlockDots<Layout, kTiles, kRows>& dots) {
  SlicePair slices[kTiles];
#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) slices[tile] = load_slices<Layout, kSlice>(integers[tile]);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const int8_t* values = activations[row * block_count].values + 4 * kSlice;
    const __m512i low = broadcast4(values);
    const __m512i high = broadcast4(values + kQdotBlockValues / 2);
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) {
      __m512i& low_dot = dots.low[tile][row];
      __m512i& high_dot = BlockDots<Layout, kTiles, kRows>::kHasTwo ? dots.high[tile][row] : low_dot;
      low_dot = _mm512_dpbusd_epi32(low_dot, slices[tile].low, low);
      high_dot = _mm512_dpbusd_epi32(high_dot, slices[tile].high, high);
    }
  }
}

// sums += scales · dots + minima, for one tile.
template <typename Layout, int kRows>
inline void add_scaled(const std::byte* tile, int64_t block, const QdotActivation* activations, int64_t block_count,
                       const __m512i (&low)[kRows], const __m512i* high, __m512 (&sums)[kRows]) {
  __m512 super_scales = _mm512_setzero_ps();
  __m512 super_minima = _mm512_setzero_ps();
  if constexpr (Layout::kIsSuper) {
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
    const QdotActivation& activation = activations[row * block_count];
    const __m512 scale = _mm512_set1_ps(activation.scale);
    if constexpr (Layout::kScaleCount == 2) {
      const __m512 scaled_high = _mm512_mul_ps(scales_high, _mm512_cvtepi32_ps(high[row]));
      const __m512 block_sum = _mm512_fmadd_ps(scales, _mm512_cvtepi32_ps(low[row]), scaled_high);
      sums[row] = _mm512_fmadd_ps(block_sum, scale, sums[row]);
    } else {
      const __m512i dot = high == nullptr ? low[row] : _mm512_add_epi32(low[row], high[row]);
      sums[row] = _mm512_fmadd_ps(_mm512_mul_ps(scales, scale), _mm512_cvtepi32_ps(dot), sums[row]);
    }
    if constexpr (Layout::kHasMinimum) {
      sums[row] = _mm512_fmadd_ps(minima, _mm512_set1_ps(activation.scaled_sum), sums[row]);
    }
  }
}

// kRows rows of activations times kTiles neighbouring tiles, which share each broadcast of activations.
template <typename Layout, int kTiles, int kRows, bool kIsFirstPass>
void multiply_tiles(const QdotProduct& product, int64_t first_tile, int64_t first_row) {
  const int64_t block_count = product.block_count;
  const std::byte* tiles[kTiles];
  __m512 sums[kTiles][kRows];
#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) {
    tiles[tile] = product.tiles + (first_tile + tile) * Layout::tile_bytes(block_count);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) sums[tile][row] = _mm512_setzero_ps();
  }

  const QdotActivation* activations = product.activations + first_row * block_count;
  for (int64_t block = 0; block < block_count; ++block, ++activations) {
    const std::byte* integers[kTiles];
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) {
      if constexpr (kIsFirstPass) prefetch_ahead<Layout>(tiles[tile], block);
      integers[tile] = tiles[tile] + Layout::integers_at(block);
    }
    BlockDots<Layout, kTiles, kRows> dots;
    start_dots(activations, block_count, dots);
    add_slices<0>(integers, activations, block_count, dots);
    add_slices<1>(integers, activations, block_count, dots);
    add_slices<2>(integers, activations, block_count, dots);
    add_slices<3>(integers, activations, block_count, dots);
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) {
      const __m512i* high = BlockDots<Layout, kTiles, kRows>::kHasTwo ? dots.high[tile] : nullptr;
      add_scaled<Layout>(tiles[tile], block, activations, block_count, dots.low[tile], high, sums[tile]);
    }
  }

#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) {
    const int64_t column = (first_tile + tile) * kQdotTileRows;
    const int64_t width = product.column_count - column;
    const __mmask16 columns = width >= kQdotTileRows ? 0xFFFF : static_cast<__mmask16>((1u << width) - 1);
    float* y = product.y + first_row * product.column_count + column;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      _mm512_mask_storeu_ps(y + row * product.column_count, columns, sums[tile][row]);
    }
  }
}

template <typename Layout, int kTiles, bool kIsFirstPass>
void multiply_tiles(const QdotProduct& product, int64_t first_tile, int64_t first_row, int64_t row_count) {
  switch (row_count) {
#define PELTON_ROWS(rows) \
  case rows:              \
    return multiply_tiles<Layout, kTiles, rows, kIsFirstPass>(product, first_tile, first_row);
    PELTON_ROWS(5)
    PELTON_ROWS(6)
  }
  if constexpr (kTiles == 1) {
    switch (row_count) {
      PELTON_ROWS(1)
      PELTON_ROWS(2)
      PELTON_ROWS(3)
      PELTON_ROWS(4)
      PELTON_ROWS(7)
      PELTON_ROWS(8)
#undef PELTON_ROWS
    }
  }
}

// Cuts row_count into the fewest groups of at most `group_max` rows, nearly equal: the rows of the next group.
inline int64_t next_group(int64_t rows_left, int64_t group_max) {
  const int64_t groups = (rows_left + group_max - 1) / group_max;
  return (rows_left + groups - 1) / groups;
}

// All rows, in groups that keep their sums in registers. The first group fetches the tiles from DRAM, the others find
// them in L1 or L2.
template <typename Layout, int kTiles>
void multiply_rows(const QdotProduct& product, int64_t first_tile, int64_t group_max) {
  for (int64_t first = 0; first < product.row_count;) {
    const int64_t rows = next_group(product.row_count - first, group_max);
    if (first == 0) {
      multiply_tiles<Layout, kTiles, true>(product, first_tile, first, rows);
    } else {
      multiply_tiles<Layout, kTiles, false>(product, first_tile, first, rows);
    }
    first += rows;
  }
}

// Many rows may take two tiles together, 6 rows at a time: broadcasts then no longer limit them, only the ports that
// multiply do (Zen 4, of its peak in products: Q4_0 70 to 77 %, Q4_1 67 to 70 %). With fewer rows one stream of weights
// is faster, and so it is with formats whose unpacking, now shared by 6 rows and not by 8, costs more.
template <typename Layout>
void multiply(const QdotProduct& product) {
  constexpr int64_t kRowsOfOne = 8;
  constexpr int64_t kRowsOfTwo = 6;
  constexpr int64_t kManyRows = 48;
  int64_t tile = product.tile_begin;
  if constexpr (!Layout::kIsSuper && (Layout::kBits == 4 || Layout::kBits == 8)) {
    if (product.row_count >= kManyRows) {
      for (; tile + 2 <= product.tile_end; tile += 2) multiply_rows<Layout, 2>(product, tile, kRowsOfTwo);
    }
  }
  for (; tile < product.tile_end; ++tile) multiply_rows<Layout, 1>(product, tile, kRowsOfOne);
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
