// Kernels of causal attention with an online softmax, over pages of keys and values.
//
// A page holds 16 consecutive positions. Per key/value head it has a block: keys [K][16], so that one vector is one
// dimension of 16 tokens and scores need no horizontal sums, then values [16][K]. A block in 8 bits:
// attention_int8_layout.h.
//
// The order of every sum is fixed by a token's position alone: a score adds even and odd dimensions apart, both in
// ascending order; an output adds tokens in ascending order and is rescaled at the same positions (multiples of
// kTileTokens) whatever other queries stand beside it. Tokens that a window hides add zeros, or are left out. So a row
// gives the same bits in a decode step, in a prefill block, and however the work is shared out among threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

inline constexpr int64_t kAttentionPageTokens = 16;
inline constexpr int64_t kAttentionTilePages = 4;
inline constexpr int64_t kAttentionTileTokens = kAttentionTilePages * kAttentionPageTokens;
inline constexpr int64_t kAttentionQueriesMax = 32;  // keeps queries, weights and outputs of a tile in the L1 cache

// A score cap that leaves scores as they are; any other c > 0 makes them c · tanh(score / c).
inline constexpr float kNoScoreCap = std::numeric_limits<float>::infinity();

// Outputs are accumulated in rows of whole vectors.
constexpr int64_t padded_head_width(int64_t head_width) { return (head_width + 15) / 16 * 16; }

// A softmax that has seen some of its tokens: output = sum of e^(score - maximum) · value, sum likewise without the
// value. Nothing seen: maximum = -infinity, the rest zero.
struct SoftmaxState {
  float* maximum;  // [queries]
  float* sum;      // [queries]
  float* output;   // [queries][padded_head_width]
};

// A row of floats in 8 bits: x ≈ scale · values, scale = largest |x| / 127, values rounded to nearest even. A row whose
// largest |x| is below kAttentionInt8Smallest is all zero. The same bits on every ISA.
inline constexpr float kAttentionInt8Smallest = 1e-30f;
struct AttentionInt8Row {
  float scale;
  int32_t sum;  // of the values
};
struct AttentionInt8Query {
  const int8_t* values;  // [K rounded up to 4], zeros added
  float scale;           // of the values, times that on the scores
  int32_t sum;           // of the values
};

// Up to kAttentionTileTokens consecutive positions of one key/value head, and the queries that read it.
struct AttentionTile {
  const std::byte* const* blocks;       // [ceil(token_count / 16)]
  const std::byte* const* next_blocks;  // [kAttentionTilePages] to prefetch for the next tile; null where there is none
  int64_t token_count;                  // > 0
  int64_t head_width;                   // K
  float scale;                          // on the scores
  int64_t query_count;                  // <= kAttentionQueriesMax
  const float* const* queries;          // [query_count] rows of K floats; attend_int8 reads the next instead
  const AttentionInt8Query* int8_queries;
  const int64_t* visible_counts;  // [query_count]: the query sees the first visible_counts[i] tokens; may be <= 0
  // [query_count]: of those it does not see the first hidden_counts[i]; may be <= 0. A query that sees no token of the
  // tile has visible_counts[i] <= 0. Null: none is hidden.
  const int64_t* hidden_counts = nullptr;
  float score_cap = kNoScoreCap;
  float* weights;  // scratch [query_count][kAttentionTileTokens]
  SoftmaxState state;
};

// Consecutive tokens of one sequence to be stored in one page.
struct AttentionPageWrite {
  const float* keys;    // token t of head g at keys + t · token_stride + g · K; null: only the values are stored
  const float* values;  // likewise
  int64_t token_stride;
  int64_t token_count;
  int64_t first_slot;  // first_slot + token_count <= 16
  int64_t head_count;  // G
  int64_t head_width;  // K
  std::byte* page;     // [G] blocks
};

// Gradients of the scores of `query_count` queries with the 16 tokens of one block.
struct AttentionGradientBlock {
  const float* const* queries;             // [query_count] rows of K floats
  const float* const* d_outputs;           // likewise
  const float* log_sum_exp;                // [query_count] of the scaled, capped scores
  const float* d_output_dots;              // [query_count]: d_output · output
  const int64_t* visible_counts;           // [query_count]
  const int64_t* hidden_counts = nullptr;  // [query_count] likewise, but may hide all; null: none hidden
  int64_t query_count;                     // <= kAttentionQueriesMax
  int64_t head_width;
  float scale;
  float score_cap = kNoScoreCap;
  const float* keys;     // [K][16]
  const float* values;   // [K][16]: transposed like the keys
  float* probabilities;  // out [query_count][16]; zero where not visible
  float* d_scores;       // out [query_count][16]: gradient of q · k, scale and cap included; zero where not visible
};

// output[i] += sum over t < count of weights[i · weight_stride + t · weight_step] · rows[t · row_stride …].
struct WeightedRows {
  const float* weights;
  int64_t weight_stride;
  int64_t weight_step;
  const float* rows;
  int64_t row_stride;
  int64_t count;
  int64_t head_width;
  int64_t output_count;
  float* output;  // [output_count][padded_head_width]
};

struct AttentionKernels {
  void (*attend_f32)(const AttentionTile& tile);
  void (*attend_bf16)(const AttentionTile& tile);
  // Also rounds the weights of a tile to 8 bits, of the tile's largest: the output is off by at most 1/510 of the
  // largest weight · value a token.
  void (*attend_int8)(const AttentionTile& tile);
  // x: finite.
  AttentionInt8Row (*quantise_row)(const float* x, int64_t count, int8_t* values);
  void (*gradient_block)(const AttentionGradientBlock& block);
  void (*add_weighted_rows)(const WeightedRows& product);
};

const AttentionKernels& attention_kernels(Isa isa);

// Plain stores with rounding to nearest even: the same on every ISA.
void write_page_f32(const AttentionPageWrite& write);
void write_page_bf16(const AttentionPageWrite& write);
// Each token's key and value is quantised apart, with its own scale. head_width <= kAttentionInt8WidthMax.
inline constexpr int64_t kAttentionInt8WidthMax = 1024;
void write_page_int8(const AttentionPageWrite& write, const AttentionKernels& kernels);
int64_t attention_int8_block_bytes(int64_t head_width);

void append_attention_cases(std::vector<OpCase>& cases);

// What attention_kernels chooses from.
const AttentionKernels* attention_kernels_reference();
const AttentionKernels* attention_kernels_avx2();
const AttentionKernels* attention_kernels_avx512();
const AttentionKernels* attention_kernels_neon();

}  // namespace pelton
