// Attention over 8-bit pages, compiled once per ISA. Contract: attention.h; where things lie: attention_int8_layout.h.
//
// Both products are sums of four products of bytes a lane, exact in int32: a query's bytes with keys, and a tile's
// weights, themselves rounded to 8 bits after the values' scales were multiplied into them, with values.
#pragma once

#include "kernels/attention/attention_body.h"
#include "kernels/attention/attention_int8_layout.h"

namespace pelton {
namespace {

#if defined(__AVX512F__)
struct IntVec {
  __m512i raw;
};
inline IntVec splat_int(int32_t value) { return {_mm512_set1_epi32(value)}; }
inline IntVec load_bytes(const void* source) { return {_mm512_loadu_si512(source)}; }
inline Vec to_float(IntVec v) { return {_mm512_cvtepi32_ps(v.raw)}; }
// sums + the four products of each lane, of unsigned and signed bytes.
inline IntVec dot4(IntVec sums, IntVec unsigned_bytes, IntVec signed_bytes) {
  return {_mm512_dpbusd_epi32(sums.raw, unsigned_bytes.raw, signed_bytes.raw)};
}
// The first `count` lanes, integers in the range of the type.
inline void store_bytes(int8_t* target, Vec v, int64_t count) {
  const Mask mask = count >= 16 ? 0xFFFF : static_cast<Mask>((1u << count) - 1);
  _mm512_mask_cvtepi32_storeu_epi8(target, mask, _mm512_cvtps_epi32(v.raw));
}
#elif defined(__AVX2__)
struct IntVec {
  __m256i raw;
};
inline IntVec splat_int(int32_t value) { return {_mm256_set1_epi32(value)}; }
inline IntVec load_bytes(const void* source) { return {_mm256_loadu_si256(static_cast<const __m256i*>(source))}; }
inline Vec to_float(IntVec v) { return {_mm256_cvtepi32_ps(v.raw)}; }
// In 16 bits, of even and odd bytes apart: maddubs would saturate.
inline IntVec dot4(IntVec sums, IntVec unsigned_bytes, IntVec signed_bytes) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(unsigned_bytes.raw, _mm256_set1_epi16(255)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(signed_bytes.raw, 8), 8));
  const __m256i odd =
      _mm256_madd_epi16(_mm256_srli_epi16(unsigned_bytes.raw, 8), _mm256_srai_epi16(signed_bytes.raw, 8));
  return {_mm256_add_epi32(sums.raw, _mm256_add_epi32(even, odd))};
}
inline void store_bytes(int8_t* target, Vec v, int64_t count) {
  alignas(32) int32_t lanes[Vec::kWidth];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_cvtps_epi32(v.raw));
  for (int64_t i = 0; i < smaller(count, Vec::kWidth); ++i) target[i] = static_cast<int8_t>(lanes[i]);
}
#elif defined(__aarch64__)
struct IntVec {
  int32x4_t raw;
};
inline IntVec splat_int(int32_t value) { return {vdupq_n_s32(value)}; }
inline IntVec load_bytes(const void* source) {
  return {vreinterpretq_s32_s8(vld1q_s8(static_cast<const int8_t*>(source)))};
}
inline Vec to_float(IntVec v) { return {vcvtq_f32_s32(v.raw)}; }
// Both factors of a dot product have one signedness (another is an extension), so u = (u - 128) + 128. What 128 gives
// depends on the signed bytes alone: the compiler computes it once for all that are multiplied with them.
inline IntVec dot4(IntVec sums, IntVec unsigned_bytes, IntVec signed_bytes) {
  const int8x16_t factor = vreinterpretq_s8_s32(signed_bytes.raw);
  const int8x16_t less_128 = veorq_s8(vreinterpretq_s8_s32(unsigned_bytes.raw), vdupq_n_s8(-128));
  const int32x4_t of_128 = vshlq_n_s32(vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(1), factor), 7);
  return {vaddq_s32(vdotq_s32(sums.raw, less_128, factor), of_128)};
}
inline void store_bytes(int8_t* target, Vec v, int64_t count) {
  int32_t lanes[Vec::kWidth];
  vst1q_s32(lanes, vcvtnq_s32_f32(v.raw));
  for (int64_t i = 0; i < smaller(count, Vec::kWidth); ++i) target[i] = static_cast<int8_t>(lanes[i]);
}
#endif

inline IntVec splat4(const void* four_bytes) {
  int32_t four;
  __builtin_memcpy(&four, four_bytes, sizeof(four));
  return splat_int(four);
}

AttentionInt8Row quantise_row(const float* x, int64_t count, int8_t* values) {
  Vec largest_lanes = splat(0);
  for_each_vec(count, [&](auto read, auto) {
    const Vec v = read(x);
    largest_lanes = max(largest_lanes, max(v, -v));
  });
  const float largest = reduce_max(largest_lanes);
  const bool is_zero = largest < kAttentionInt8Smallest;
  const Vec inverse = splat(is_zero ? 0.0f : 127.0f / largest);
  Vec sum = splat(0);  // of integers: exact
  int64_t i = 0;
  for_each_vec(count, [&](auto read, auto) {
    const Vec v = round(read(x) * inverse);
    store_bytes(values + i, v, count - i);
    sum = sum + v;
    i += Vec::kWidth;
  });
  return {is_zero ? 0.0f : largest / 127.0f, static_cast<int32_t>(reduce_sum(sum))};
}

// scores[n][t] of the 16 tokens of a page; rows of scores are kTile apart.
template <int N>
inline void score_page_int8(const AttentionInt8Query* queries, const KvInt8Layout& layout, const std::byte* block,
                            const std::byte* prefetch, float* scores) {
  IntVec sums[N][kPageVecs];
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < kPageVecs; ++v) sums[n][v] = splat_int(-128 * queries[n].sum);
  }
  constexpr int64_t kVecBytes = 4 * Vec::kWidth;
  const int64_t width = layout.key_width();
  for (int64_t d = 0; d < width; d += 4) {
    if (prefetch != nullptr) prefetch_line(prefetch + d * kPage);
    IntVec key[kPageVecs];
    for (int v = 0; v < kPageVecs; ++v) key[v] = load_bytes(block + d * kPage + v * kVecBytes);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const IntVec q = splat4(queries[n].values + d);
      for (int v = 0; v < kPageVecs; ++v) sums[n][v] = dot4(sums[n][v], key[v], q);
    }
  }
  const float* key_scales = reinterpret_cast<const float*>(block + layout.key_scales_at());
  for (int v = 0; v < kPageVecs; ++v) {
    const Vec scales = load(key_scales + v * Vec::kWidth);
    for (int n = 0; n < N; ++n) {
      store(scores + n * kTile + v * Vec::kWidth, to_float(sums[n][v]) * (scales * splat(queries[n].scale)));
    }
  }
}

// A query's weights of one tile in 8 bits: weight · value scale ≈ step · bytes.
struct Int8Weights {
  float step;
  float correction;  // of what the query had summed up
};

// The queries whose scores become weights together.
struct Int8Softening {
  const int64_t* visible_counts;  // of each query
  float* maximum;                 // likewise
  float* sum;                     // likewise
  float* scores;                  // [queries][kTile]
  uint8_t (*bytes)[kTile];        // out
  Int8Weights* weights;           // out
};

// Turns the scores of N queries into weights and counts them in `maximum` and `sum` before they are rounded. Each step
// is done for all queries before the next: one query's steps wait for each other, other queries' do not.
template <int N>
inline void soften_int8(const Int8Softening& queries, const std::byte* const* blocks, const KvInt8Layout& layout,
                        int64_t padded_count) {
  constexpr int kLanes = (N + Vec::kWidth - 1) / Vec::kWidth * Vec::kWidth;
  alignas(64) float maxima[kLanes] = {};
  alignas(64) float corrections[kLanes] = {};  // first the maxima before
  for (int n = 0; n < N; ++n) {
    const int64_t visible_count = queries.visible_counts[n];
    if (visible_count <= 0) continue;
    corrections[n] = queries.maximum[n];
    maxima[n] = hide_invisible(queries.scores + n * kTile, padded_count, visible_count, queries.maximum[n]);
  }
  for (int n = 0; n < kLanes; n += Vec::kWidth) store(corrections + n, exp(load(corrections + n) - load(maxima + n)));

  float largest_weights[N];
  for (int n = 0; n < N; ++n) {
    const int64_t visible_count = queries.visible_counts[n];
    largest_weights[n] = 0;
    if (visible_count <= 0) continue;
    float* scores = queries.scores + n * kTile;
    Vec sums = splat(0);
    Vec largest_weight = splat(0);
    for (int64_t t = 0; t < padded_count; t += Vec::kWidth) {
      const std::byte* scales = blocks[t / kPage] + layout.value_scales_at();
      const Vec weight = exp(load(scores + t) - splat(maxima[n]));
      sums = sums + weight;
      // Where nothing was written yet, a scale may be anything.
      const Vec scaled =
          keep_first(weight * load(reinterpret_cast<const float*>(scales) + t % kPage), visible_count - t, splat(0));
      store(scores + t, scaled);
      largest_weight = max(largest_weight, scaled);
    }
    largest_weights[n] = reduce_max(largest_weight);
    queries.maximum[n] = maxima[n];
    queries.sum[n] = queries.sum[n] * corrections[n] + reduce_sum(sums);
  }

  for (int n = 0; n < N; ++n) {
    if (queries.visible_counts[n] <= 0) {
      queries.weights[n] = {0, 1};
      __builtin_memset(queries.bytes[n], 0, kTile);
      continue;
    }
    queries.weights[n] = {largest_weights[n] * (1.0f / 255.0f), corrections[n]};
    const Vec inverse = splat(largest_weights[n] < kAttentionInt8Smallest ? 0.0f : 255.0f / largest_weights[n]);
    for (int64_t t = 0; t < padded_count; t += Vec::kWidth) {
      const Vec scaled = load(queries.scores + n * kTile + t);
      store_bytes(reinterpret_cast<int8_t*>(queries.bytes[n]) + t, round(scaled * inverse), Vec::kWidth);
    }
  }
}

// outputs[n][d …] = outputs · correction + step · (bytes · values), D vectors from dimension d on.
template <int N, int D>
inline void add_values_int8(const uint8_t (*bytes)[kTile], const Int8Weights* weights, const std::byte* const* values,
                            const std::byte* const* prefetch, int64_t page_count, int64_t d, int64_t value_width,
                            float* outputs) {
  constexpr int64_t kVecBytes = 4 * Vec::kWidth;
  IntVec sums[N][D];
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < D; ++v) sums[n][v] = splat_int(0);
  }
  for (int64_t page = 0; page < page_count; ++page) {
    for (int64_t four = 0; four < kPage / 4; ++four) {
      const int64_t at = (four * value_width + d) * 4;
      IntVec value[D];
      for (int v = 0; v < D; ++v) value[v] = load_bytes(values[page] + at + v * kVecBytes);
      if (prefetch != nullptr) {
        for (int64_t line = 0; line < D * kVecBytes; line += 64) {
          prefetch_line(prefetch[page] + at + line);
        }
      }
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const IntVec weight = splat4(bytes[n] + page * kPage + four * 4);
        for (int v = 0; v < D; ++v) sums[n][v] = dot4(sums[n][v], weight, value[v]);
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < D; ++v) {
      float* output = outputs + n * value_width + d + v * Vec::kWidth;
      store(output, fma(to_float(sums[n][v]), splat(weights[n].step), load(output) * splat(weights[n].correction)));
    }
  }
}

void attend_int8(const AttentionTile& tile) {
  const KvInt8Layout layout{tile.head_width};
  const int64_t page_count = (tile.token_count + kPage - 1) / kPage;
  const int64_t value_width = layout.value_width();
  const std::byte* values[kAttentionTilePages];
  const std::byte* next_values[kAttentionTilePages];
  for (int64_t page = 0; page < page_count; ++page) {
    values[page] = tile.blocks[page] + layout.values_at();
    if (tile.next_blocks == nullptr) continue;
    next_values[page] = tile.next_blocks[page] + layout.values_at();
    const std::byte* scales = tile.next_blocks[page] + layout.key_scales_at();
    prefetch_line(scales);
    prefetch_line(scales + 64);
  }

  for_query_blocks(tile.query_count, [&]<int N>(int64_t first) {
    const bool is_prefetching = tile.next_blocks != nullptr && first == 0;
    float* scores = tile.weights + first * kTile;
    for (int64_t page = 0; page < page_count; ++page) {
      score_page_int8<N>(tile.int8_queries + first, layout, tile.blocks[page],
                         is_prefetching ? tile.next_blocks[page] : nullptr, scores + page * kPage);
    }
    if (has_cap_or_window(tile)) cap_and_hide(tile, first, N, page_count * kPage, scores);
    alignas(64) uint8_t bytes[N][kTile];
    Int8Weights weights[N];
    soften_int8<N>({.visible_counts = tile.visible_counts + first,
                    .maximum = tile.state.maximum + first,
                    .sum = tile.state.sum + first,
                    .scores = scores,
                    .bytes = bytes,
                    .weights = weights},
                   tile.blocks, layout, page_count * kPage);
    float* outputs = tile.state.output + first * value_width;
    const std::byte* const* prefetch = is_prefetching ? next_values : nullptr;
    constexpr int kWide = Vec::kWidth == 8 || N > 4 ? 2 : 4;
    int64_t d = 0;
    for (; d + kWide * Vec::kWidth <= value_width; d += kWide * Vec::kWidth) {
      add_values_int8<N, kWide>(bytes, weights, values, prefetch, page_count, d, value_width, outputs);
    }
    for (; d < value_width; d += Vec::kWidth) {
      add_values_int8<N, 1>(bytes, weights, values, prefetch, page_count, d, value_width, outputs);
    }
  });
}

constexpr AttentionKernels kKernels = {.attend_f32 = attend<float>,
                                       .attend_bf16 = attend<uint16_t>,
                                       .attend_int8 = attend_int8,
                                       .quantise_row = quantise_row,
                                       .gradient_block = gradient_block,
                                       .add_weighted_rows = add_weighted_rows};

}  // namespace
}  // namespace pelton
