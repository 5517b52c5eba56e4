// Scaled dot-product attention with grouped query heads: causal over a paged KV cache (inference), causal or in both
// directions over whole sequences with its backward (training, encoders). Online softmax (Milakov, Gimelshein 2018;
// FlashAttention, arXiv 2205.14135).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/aligned.h"
#include "ops/executor.h"
#include "tensor/element_type.h"

namespace pelton {

// Head h reads key/value head h / (H / G).
struct AttentionShape {
  int64_t query_head_count;      // H
  int64_t key_value_head_count;  // G, divides H
  int64_t head_width;            // K
  float scale;                   // on the scores; usually 1 / sqrt(K)

  // >= 1: a row sees the `window` positions that end with its own (Mistral, arXiv 2310.06825; Gemma 2, arXiv
  // 2408.00118), and what comes before them is not read. None: it sees all.
  std::optional<int64_t> window = std::nullopt;
  // c > 0: scaled scores become c · tanh(score / c) (Gemma 2).
  std::optional<float> score_cap = std::nullopt;
  // False: a row sees what comes after it too, a window reaches as far forwards as backwards (BERT, arXiv 1810.04805;
  // ModernBERT, arXiv 2412.13663). Over whole sequences only.
  bool is_causal = true;

  // What the row at `position` of a sequence of `length` positions sees: [first_visible, end_visible).
  int64_t first_visible(int64_t position) const { return window ? std::max<int64_t>(0, position + 1 - *window) : 0; }
  int64_t end_visible(int64_t position, int64_t length) const {
    if (is_causal) return position + 1;
    return window ? std::min(length, position + *window) : length;
  }
};

// Learned logits [H], one for each query head, that join a row's softmax as if a position stood there whose value is
// zero (gpt-oss, arXiv 2508.10925): neither scaled nor capped. Empty: none.
using AttentionSinks = std::span<const float>;

// How keys and values may be kept. kI8: in 8 bits with a float scale for each token and head; queries and the softmax's
// weights are rounded to 8 bits too (kernels/attention/attention.h).
inline constexpr ElementType kKvTypes[] = {ElementType::kF32, ElementType::kBF16, ElementType::kI8};
bool is_kv_type(ElementType type);
std::string_view kv_type_name(ElementType type);  // "f32", "bf16", "int8"
std::optional<ElementType> parse_kv_type(std::string_view name);
// Of 16 tokens of one key/value head, keys and values.
int64_t kv_block_bytes(ElementType type, int64_t head_width);

// Keys and values of one layer for all pages. A page holds kPageTokens consecutive positions of one sequence.
// Inside a page, per key/value head: keys as [K][kPageTokens], so that one vector holds one dimension of 16 tokens, and
// values as [kPageTokens][K].
class KvLayerCache {
 public:
  static constexpr int64_t kPageTokens = 16;

  // type: one of kKvTypes.
  KvLayerCache(ElementType type, int64_t page_count, int64_t key_value_head_count, int64_t head_width);

  ElementType type() const { return type_; }
  int64_t page_count() const { return page_count_; }
  int64_t page_bytes() const { return page_bytes_; }
  // [G] blocks, each keys then values.
  std::byte* page(int32_t page) { return memory_.data() + page * page_bytes_; }
  const std::byte* page(int32_t page) const { return memory_.data() + page * page_bytes_; }

 private:
  ElementType type_;
  int64_t page_count_;
  int64_t page_bytes_;
  AlignedArray<std::byte> memory_;
};

// The rows of one sequence in a step: rows [row_begin, row_begin + row_count) stand at positions
// [first_position, first_position + row_count).
struct AttentionSequence {
  int64_t row_begin;
  int64_t row_count;
  int64_t first_position;
  // Page i holds positions [16 i, 16 i + 16); covers all positions above. Where all layers have a window, entries of
  // pages that no row's window reaches may be anything.
  std::span<const int32_t> pages;
};

// The functions of pages are for causal attention alone.
// Stores k, v [T, G, K] of the step's rows in the sequences' pages.
void kv_write(Executor& executor, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
              const float* k, const float* v, KvLayerCache& cache);
// The same for the keys, or the values, of one head, x [T, G, K], by the calling thread: for whoever has just made
// them.
enum class KvPart : uint8_t { kKeys, kValues };
void kv_write_head(const AttentionShape& shape, std::span<const AttentionSequence> sequences, KvPart part, int64_t head,
                   const float* x, KvLayerCache& cache);

// out [T, H, K]: each row attends to all positions up to its own, or those in its window, which must have been written.
// Results depend, to the bit, neither on the thread count, nor on how a sequence was cut into steps, nor on what else
// is in the step. Allocates nothing once its scratch memory has grown to the largest step.
void paged_attention(Executor& executor, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
                     const float* q, const KvLayerCache& cache, float* out, AttentionSinks sinks = {});

// Whole sequences, back to back: sequence s has rows [offsets[s], offsets[s + 1]).
struct SequenceOffsets {
  std::span<const int64_t> offsets;  // ascending, first 0, last T
};
// out [T, H, K]; log_sum_exp [T, H] (of the scaled, capped scores and the sink) is kept for the backward; null: none
// follows. Memory linear in T.
void attention(Executor& executor, const AttentionShape& shape, SequenceOffsets sequences, const float* q,
               const float* k, const float* v, float* out, float* log_sum_exp, AttentionSinks sinks = {});

struct AttentionForward {  // what the forward saw and gave
  const float* q;
  const float* k;
  const float* v;
  const float* out;
  const float* log_sum_exp;
  AttentionSinks sinks = {};
};
struct AttentionGradients {
  float* d_q;                // [T, H, K], assigned
  float* d_k;                // [T, G, K], assigned
  float* d_v;                // [T, G, K], assigned
  float* d_sinks = nullptr;  // [H], added to, as a weight's; null: not wanted
};
// Time quadratic in a sequence's length (with a window: linear), memory linear. Results do not depend on the thread
// count.
void attention_backward(Executor& executor, const AttentionShape& shape, SequenceOffsets sequences,
                        const AttentionForward& forward, const float* d_out, const AttentionGradients& gradients);

}  // namespace pelton
