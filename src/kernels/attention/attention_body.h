// Attention on Vec; compiled once per ISA. Contract and order of sums: attention.h.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

constexpr int64_t kPage = kAttentionPageTokens;
constexpr int64_t kTile = kAttentionTileTokens;
constexpr int64_t kPageVecs = kPage / Vec::kWidth;

// Queries that share each loaded key or value, with all their accumulators in registers: 8 · 2 of 32 with AVX-512;
// with AVX2, where a page is two vectors, 3 · 2 · 2 of 16.
constexpr int kQueryBlock = Vec::kWidth == 16 ? 8 : 3;

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Calls f.template operator()<N>(first) for blocks of N <= kQueryBlock queries that cover [0, count).
template <int N, typename F>
inline void for_rest(int64_t first, int64_t rest, F& f) {
  if constexpr (N > 0) {
    if (rest == N) return f.template operator()<N>(first);
    for_rest<N - 1>(first, rest, f);
  }
}
template <typename F>
inline void for_query_blocks(int64_t count, F f) {
  int64_t first = 0;
  for (; first + kQueryBlock <= count; first += kQueryBlock) f.template operator()<kQueryBlock>(first);
  for_rest<kQueryBlock - 1>(first, count - first, f);
}

// scores[n][t] = scale · (queries[n] · keys[.][t]) for the 16 tokens of a page; rows of scores are `stride` apart.
// `prefetch` (null: none) is another page's keys, touched at the pace at which this page's are read.
template <int N, typename Element>
inline void score_page(const float* const* queries, int64_t head_width, const Element* keys, const Element* prefetch,
                       float scale, float* scores, int64_t stride) {
  Vec sums[2][N][kPageVecs];
  for (int parity = 0; parity < 2; ++parity) {
    for (int n = 0; n < N; ++n) {
      for (int v = 0; v < kPageVecs; ++v) sums[parity][n][v] = splat(0);
    }
  }
  const auto add_dimension = [&](int parity, int64_t d) __attribute__((always_inline)) {
    Vec key[kPageVecs];
    for (int v = 0; v < kPageVecs; ++v) key[v] = load(keys + d * kPage + v * Vec::kWidth);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const Vec q = splat(queries[n][d]);
      for (int v = 0; v < kPageVecs; ++v) sums[parity][n][v] = fma(q, key[v], sums[parity][n][v]);
    }
  };
  int64_t d = 0;
  for (; d + 2 <= head_width; d += 2) {
    if (prefetch != nullptr) {
      prefetch_line(prefetch + d * kPage);
      if constexpr (sizeof(Element) == 4) {
        prefetch_line(prefetch + (d + 1) * kPage);
      }
    }
    add_dimension(0, d);
    add_dimension(1, d + 1);
  }
  if (d < head_width) add_dimension(0, d);
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < kPageVecs; ++v) {
      store(scores + n * stride + v * Vec::kWidth, (sums[0][n][v] + sums[1][n][v]) * splat(scale));
    }
  }
}

// Where the rows of a weighted sum lie: `page_rows` rows, `row_stride` elements apart, at each of the `pages`.
template <typename Element>
struct Rows {
  const Element* const* pages;
  const Element* const* prefetch;  // null: none
  int64_t page_rows;
  int64_t row_stride;
  int64_t count;
};

struct Weights {
  const float* first;
  int64_t stride;  // from query to query
  int64_t step;    // from row to row
};

// outputs[n][d …] += sum over rows of weight · row[d …], for D vectors from dimension d on; the last one has only
// `tail` elements where tail > 0 (then D = 1).
template <int N, int D, bool kHasTail, typename Element>
inline void add_rows_at(const Weights& weights, const Rows<Element>& rows, int64_t d, int64_t tail, float* outputs,
                        int64_t output_stride) {
  Vec sums[N][D];
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < D; ++v) sums[n][v] = load(outputs + n * output_stride + d + v * Vec::kWidth);
  }
  const float* weight = weights.first;
  for (int64_t begin = 0; begin < rows.count; begin += rows.page_rows) {
    const int64_t page = begin / rows.page_rows;
    const Element* row = rows.pages[page] + d;
    const Element* prefetch = rows.prefetch == nullptr ? nullptr : rows.prefetch[page] + d;
    const int64_t page_count = smaller(rows.page_rows, rows.count - begin);
    for (int64_t r = 0; r < page_count; ++r, row += rows.row_stride, weight += weights.step) {
      if (prefetch != nullptr) {
        constexpr int64_t kLine = 64 / sizeof(Element);
        for (int64_t line = 0; line < D * Vec::kWidth; line += kLine) {
          prefetch_line(prefetch + r * rows.row_stride + line);
        }
      }
      Vec value[D];
      for (int v = 0; v < D; ++v) value[v] = kHasTail ? load_first(row, tail) : load(row + v * Vec::kWidth);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const Vec w = splat(weight[n * weights.stride]);
        for (int v = 0; v < D; ++v) sums[n][v] = fma(w, value[v], sums[n][v]);
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    for (int v = 0; v < D; ++v) store(outputs + n * output_stride + d + v * Vec::kWidth, sums[n][v]);
  }
}

template <int N, typename Element>
inline void add_rows(const Weights& weights, const Rows<Element>& rows, int64_t head_width, float* outputs,
                     int64_t output_stride) {
  constexpr int kWide = N <= 4 ? 4 : 2;
  int64_t d = 0;
  for (; d + kWide * Vec::kWidth <= head_width; d += kWide * Vec::kWidth) {
    add_rows_at<N, kWide, false>(weights, rows, d, 0, outputs, output_stride);
  }
  for (; d + Vec::kWidth <= head_width; d += Vec::kWidth) {
    add_rows_at<N, 1, false>(weights, rows, d, 0, outputs, output_stride);
  }
  if (d < head_width) add_rows_at<N, 1, true>(weights, rows, d, head_width - d, outputs, output_stride);
}

// scores = cap · tanh(scores / cap); slopes (null: not wanted) = the derivatives of that.
void cap_scores(float* scores, int64_t padded_count, float cap, float* slopes) {
  const Vec inverse = splat(1.0f / cap);
  for (int64_t t = 0; t < padded_count; t += Vec::kWidth) {
    const Vec bounded = tanh(load(scores + t) * inverse);
    store(scores + t, bounded * splat(cap));
    if (slopes != nullptr) store(slopes + t, fma_negated(bounded, bounded, splat(1.0f)));
  }
}

void replace_first(float* x, int64_t padded_count, int64_t count, float value) {
  const int64_t end = smaller(count, padded_count);
  for (int64_t t = 0; t < end; t += Vec::kWidth) store(x + t, keep_first(splat(value), end - t, load(x + t)));
}

// For a tile with a cap or a window: what happens to the scores of queries [first, first + count) before the softmax.
// Not inlined: the loops of tiles without either stay as they were.
[[gnu::noinline]] void cap_and_hide(const AttentionTile& tile, int64_t first, int64_t count, int64_t padded_count,
                                    float* scores) {
  for (int64_t n = 0; n < count; ++n, scores += kTile) {
    if (tile.score_cap != kNoScoreCap) cap_scores(scores, padded_count, tile.score_cap, nullptr);
    if (tile.hidden_counts != nullptr) {
      replace_first(scores, padded_count, tile.hidden_counts[first + n], -__builtin_inff());
    }
  }
}
inline bool has_cap_or_window(const AttentionTile& tile) {
  return tile.score_cap != kNoScoreCap || tile.hidden_counts != nullptr;
}

// Scores from visible_count on become -infinity. Gives the largest of the others and `maximum`.
inline float hide_invisible(float* scores, int64_t padded_count, int64_t visible_count, float maximum) {
  const Vec lowest = splat(-__builtin_inff());
  Vec largest = splat(maximum);
  for (int64_t t = 0; t < padded_count; t += Vec::kWidth) {
    const Vec visible = keep_first(load(scores + t), visible_count - t, lowest);
    store(scores + t, visible);
    largest = max(largest, visible);
  }
  return reduce_max(largest);
}

// Turns a query's scores into weights e^(score - maximum), zero where not visible, and rescales what it had summed up.
inline void soften(float* scores, int64_t padded_count, int64_t visible_count, int64_t padded_width, float& maximum,
                   float& sum, float* output) {
  if (visible_count <= 0) {
    for (int64_t t = 0; t < padded_count; t += Vec::kWidth) store(scores + t, splat(0));
    return;
  }
  const float new_maximum = hide_invisible(scores, padded_count, visible_count, maximum);
  Vec sums = splat(0);
  for (int64_t t = 0; t < padded_count; t += Vec::kWidth) {
    const Vec weight = exp(load(scores + t) - splat(new_maximum));
    store(scores + t, weight);
    sums = sums + weight;
  }
  if (new_maximum != maximum) {  // else the correction is e^0 = 1
    const Vec correction = exp(splat(maximum - new_maximum));
    for (int64_t d = 0; d < padded_width; d += Vec::kWidth) store(output + d, load(output + d) * correction);
    float lanes[Vec::kWidth];
    store(lanes, correction);
    sum *= lanes[0];
    maximum = new_maximum;
  }
  sum += reduce_sum(sums);
}

template <typename Element>
void attend(const AttentionTile& tile) {
  const int64_t page_count = (tile.token_count + kPage - 1) / kPage;
  const int64_t padded_width = padded_head_width(tile.head_width);
  const Element* values[kAttentionTilePages];
  const Element* next_values[kAttentionTilePages];
  for (int64_t page = 0; page < page_count; ++page) {
    values[page] = reinterpret_cast<const Element*>(tile.blocks[page]) + kPage * tile.head_width;
    if (tile.next_blocks == nullptr) continue;
    next_values[page] = reinterpret_cast<const Element*>(tile.next_blocks[page]) + kPage * tile.head_width;
  }

  for_query_blocks(tile.query_count, [&]<int N>(int64_t first) {
    const bool is_prefetching = tile.next_blocks != nullptr && first == 0;  // once is enough
    float* weights = tile.weights + first * kTile;
    for (int64_t page = 0; page < page_count; ++page) {
      score_page<N>(tile.queries + first, tile.head_width, reinterpret_cast<const Element*>(tile.blocks[page]),
                    is_prefetching ? reinterpret_cast<const Element*>(tile.next_blocks[page]) : nullptr, tile.scale,
                    weights + page * kPage, kTile);
    }
    if (has_cap_or_window(tile)) cap_and_hide(tile, first, N, page_count * kPage, weights);
    float* output = tile.state.output + first * padded_width;
    for (int n = 0; n < N; ++n) {
      const int64_t i = first + n;
      soften(weights + n * kTile, page_count * kPage, tile.visible_counts[i], padded_width, tile.state.maximum[i],
             tile.state.sum[i], output + n * padded_width);
    }
    const Rows<Element> rows = {values, is_prefetching ? next_values : nullptr, kPage, tile.head_width,
                                tile.token_count};
    add_rows<N>({weights, kTile, 1}, rows, tile.head_width, output, padded_width);
  });
}

void gradient_block(const AttentionGradientBlock& block) {
  for_query_blocks(block.query_count, [&]<int N>(int64_t first) {
    float* probabilities = block.probabilities + first * kPage;
    float* d_scores = block.d_scores + first * kPage;
    const float* const no_prefetch = nullptr;
    score_page<N>(block.queries + first, block.head_width, block.keys, no_prefetch, block.scale, probabilities, kPage);
    score_page<N>(block.d_outputs + first, block.head_width, block.values, no_prefetch, 1.0f, d_scores, kPage);
    const bool is_capped = block.score_cap != kNoScoreCap;
    alignas(64) float slopes[N * kPage];
    if (is_capped) cap_scores(probabilities, N * kPage, block.score_cap, slopes);
    for (int n = 0; n < N; ++n) {
      const int64_t i = first + n;
      for (int64_t t = 0; t < kPage; t += Vec::kWidth) {
        const int64_t at = n * kPage + t;
        const int64_t visible_count = block.visible_counts[i] - t;
        const Vec probability = exp(load(probabilities + at) - splat(block.log_sum_exp[i]));
        const Vec d_score = probability * (load(d_scores + at) - splat(block.d_output_dots[i])) * splat(block.scale);
        store(probabilities + at, keep_first(probability, visible_count, splat(0)));
        store(d_scores + at, keep_first(d_score, visible_count, splat(0)));
      }
    }
    if (is_capped) {
      for (int64_t t = 0; t < N * kPage; t += Vec::kWidth) store(d_scores + t, load(d_scores + t) * load(slopes + t));
    }
    for (int64_t n = 0; block.hidden_counts != nullptr && n < N; ++n) {
      replace_first(probabilities + n * kPage, kPage, block.hidden_counts[first + n], 0);
      replace_first(d_scores + n * kPage, kPage, block.hidden_counts[first + n], 0);
    }
  });
}

void add_weighted_rows(const WeightedRows& product) {
  const int64_t padded_width = padded_head_width(product.head_width);
  const Rows<float> rows = {&product.rows, nullptr, product.count, product.row_stride, product.count};
  for_query_blocks(product.output_count, [&]<int N>(int64_t first) {
    add_rows<N>({product.weights + first * product.weight_stride, product.weight_stride, product.weight_step}, rows,
                product.head_width, product.output + first * padded_width, padded_width);
  });
}

}  // namespace
}  // namespace pelton
