// Two passes over the (row, token) pairs of each sequence, both of which compute the scores again rather than keep T²
// of them (FlashAttention's backward). One pass owns rows and gives d_q, the other owns blocks of tokens and gives d_k
// and d_v: no two threads add to the same number, so nothing depends on their count.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "kernels/attention/attention.h"
#include "ops/attention.h"

namespace pelton {
namespace {

constexpr int64_t kBlock = kAttentionPageTokens;
constexpr int64_t kRows = kAttentionQueriesMax;

struct Job {
  const AttentionShape& shape;
  const AttentionForward& forward;
  const float* d_out;
  const AttentionGradients& gradients;
  const AttentionKernels& kernels;
  const float* d_output_dots;  // [T, H]
  const float* transposed;     // [blocks of all sequences][G][keys, values][K][16]

  int64_t group_size() const { return shape.query_head_count / shape.key_value_head_count; }
  int64_t query_stride() const { return shape.query_head_count * shape.head_width; }
  int64_t key_stride() const { return shape.key_value_head_count * shape.head_width; }
};

// Sixteen tokens of a sequence (fewer at its end).
struct Block {
  int64_t sequence_begin;  // row of the sequence's first token
  int64_t sequence_end;
  int64_t begin;  // row of this block's first token
  int64_t index;  // among the blocks of all sequences
  int64_t end() const { return std::min(begin + kBlock, sequence_end); }
  int64_t sequence_length() const { return sequence_end - sequence_begin; }
};

const float* transposed_keys(const Job& job, const Block& block, int64_t key_head) {
  return job.transposed + (block.index * job.shape.key_value_head_count + key_head) * 2 * kBlock * job.shape.head_width;
}

// The gradients of the scores of rows [row_begin, row_begin + row_count) of query head `head` with a block of tokens.
struct ScoreGradients {
  alignas(64) float probabilities[kRows * kBlock];
  alignas(64) float d_scores[kRows * kBlock];
};
void score_gradients(const Job& job, const Block& tokens, int64_t head, int64_t row_begin, int64_t row_count,
                     ScoreGradients& result) {
  const float* queries[kRows];
  const float* d_outputs[kRows];
  float log_sum_exp[kRows];
  float dots[kRows];
  int64_t visible_counts[kRows];
  int64_t hidden_counts[kRows];
  for (int64_t i = 0; i < row_count; ++i) {
    const int64_t index = (row_begin + i) * job.shape.query_head_count + head;
    queries[i] = job.forward.q + index * job.shape.head_width;
    d_outputs[i] = job.d_out + index * job.shape.head_width;
    log_sum_exp[i] = job.forward.log_sum_exp[index];
    dots[i] = job.d_output_dots[index];
    const int64_t position = row_begin + i - tokens.sequence_begin;
    const int64_t block_begin = tokens.begin - tokens.sequence_begin;
    visible_counts[i] = job.shape.end_visible(position, tokens.sequence_length()) - block_begin;
    if (job.shape.window) hidden_counts[i] = job.shape.first_visible(position) - block_begin;
  }
  const float* keys = transposed_keys(job, tokens, head / job.group_size());
  job.kernels.gradient_block({.queries = queries,
                              .d_outputs = d_outputs,
                              .log_sum_exp = log_sum_exp,
                              .d_output_dots = dots,
                              .visible_counts = visible_counts,
                              .hidden_counts = job.shape.window ? hidden_counts : nullptr,
                              .query_count = row_count,
                              .head_width = job.shape.head_width,
                              .scale = job.shape.scale,
                              .score_cap = job.shape.score_cap.value_or(kNoScoreCap),
                              .keys = keys,
                              .values = keys + kBlock * job.shape.head_width,
                              .probabilities = result.probabilities,
                              .d_scores = result.d_scores});
}

void copy_rows(const float* padded, int64_t row_count, int64_t width, int64_t stride, float* target) {
  for (int64_t i = 0; i < row_count; ++i) {
    std::copy_n(padded + i * padded_head_width(width), width, target + i * stride);
  }
}

// d_q of the block's rows for one query head: sum over tokens of d_score · k.
void backward_rows(const Job& job, std::span<const Block> blocks, const Block& rows, int64_t head,
                   std::vector<float>& memory) {
  const int64_t width = job.shape.head_width;
  const int64_t row_count = rows.end() - rows.begin;
  memory.assign(static_cast<size_t>(row_count * padded_head_width(width)), 0.0f);
  ScoreGradients gradients;
  const int64_t begin = rows.begin - rows.sequence_begin;
  const int64_t sequence_block = rows.index - begin / kBlock;
  const int64_t first_block = sequence_block + job.shape.first_visible(begin) / kBlock;
  const int64_t end_visible = job.shape.end_visible(begin + row_count - 1, rows.sequence_length());
  const int64_t last_block = sequence_block + (end_visible - 1) / kBlock;
  for (int64_t index = first_block; index <= last_block; ++index) {
    const Block& tokens = blocks[static_cast<size_t>(index)];
    score_gradients(job, tokens, head, rows.begin, row_count, gradients);
    job.kernels.add_weighted_rows(
        {.weights = gradients.d_scores,
         .weight_stride = kBlock,
         .weight_step = 1,
         .rows = job.forward.k + tokens.begin * job.key_stride() + head / job.group_size() * width,
         .row_stride = job.key_stride(),
         .count = tokens.end() - tokens.begin,
         .head_width = width,
         .output_count = row_count,
         .output = memory.data()});
  }
  copy_rows(memory.data(), row_count, width, job.query_stride(),
            job.gradients.d_q + rows.begin * job.query_stride() + head * width);
}

// From the first row that sees the block's first token, or is it, to the last one that sees its last token.
Range rows_that_see(const AttentionShape& shape, const Block& tokens) {
  const int64_t last = tokens.end() - 1;
  const int64_t reach = shape.window.value_or(tokens.sequence_length());
  return {shape.is_causal ? tokens.begin : std::max(tokens.sequence_begin, tokens.begin + 1 - reach),
          std::min(tokens.sequence_end, last + reach)};
}

// d_k and d_v of the block's tokens for one key/value head: sums over the rows of all query heads that read it of
// d_score · q and probability · d_out.
void backward_tokens(const Job& job, const Block& tokens, int64_t key_head, std::vector<float>& memory) {
  const int64_t width = job.shape.head_width;
  const int64_t token_count = tokens.end() - tokens.begin;
  const int64_t floats = kBlock * padded_head_width(width);
  memory.assign(static_cast<size_t>(2 * floats), 0.0f);
  float* d_keys = memory.data();
  float* d_values = d_keys + floats;
  ScoreGradients gradients;
  const Range rows = rows_that_see(job.shape, tokens);
  for (int64_t head = key_head * job.group_size(); head < (key_head + 1) * job.group_size(); ++head) {
    for (int64_t row = rows.begin; row < rows.end; row += kRows) {
      const int64_t row_count = std::min(kRows, rows.end - row);
      score_gradients(job, tokens, head, row, row_count, gradients);
      WeightedRows product = {.weights = gradients.d_scores,
                              .weight_stride = 1,
                              .weight_step = kBlock,
                              .rows = job.forward.q + row * job.query_stride() + head * width,
                              .row_stride = job.query_stride(),
                              .count = row_count,
                              .head_width = width,
                              .output_count = token_count,
                              .output = d_keys};
      job.kernels.add_weighted_rows(product);
      product.weights = gradients.probabilities;
      product.rows = job.d_out + row * job.query_stride() + head * width;
      product.output = d_values;
      job.kernels.add_weighted_rows(product);
    }
  }
  const int64_t target = tokens.begin * job.key_stride() + key_head * width;
  copy_rows(d_keys, token_count, width, job.key_stride(), job.gradients.d_k + target);
  copy_rows(d_values, token_count, width, job.key_stride(), job.gradients.d_v + target);
}

std::vector<Block> make_blocks(SequenceOffsets sequences) {
  std::vector<Block> blocks;
  for (size_t s = 0; s + 1 < sequences.offsets.size(); ++s) {
    const int64_t end = sequences.offsets[s + 1];
    for (int64_t begin = sequences.offsets[s]; begin < end; begin += kBlock) {
      blocks.push_back({sequences.offsets[s], end, begin, static_cast<int64_t>(blocks.size())});
    }
  }
  return blocks;
}

// Keys and values of each block as [K][16]; slots beyond a sequence's end are zero.
std::vector<float> transpose(Executor& executor, const AttentionShape& shape, std::span<const Block> blocks,
                             const AttentionForward& forward) {
  const int64_t width = shape.head_width;
  const int64_t heads = shape.key_value_head_count;
  std::vector<float> transposed(blocks.size() * static_cast<size_t>(2 * heads * width * kBlock), 0.0f);
  executor.parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](Range range) {
    for (int64_t index = range.begin; index < range.end; ++index) {
      const Block& block = blocks[static_cast<size_t>(index)];
      for (int64_t head = 0; head < heads; ++head) {
        float* keys = transposed.data() + (index * heads + head) * 2 * kBlock * width;
        float* values = keys + kBlock * width;
        for (int64_t t = block.begin; t < block.end(); ++t) {
          for (int64_t d = 0; d < width; ++d) {
            keys[d * kBlock + t - block.begin] = forward.k[(t * heads + head) * width + d];
            values[d * kBlock + t - block.begin] = forward.v[(t * heads + head) * width + d];
          }
        }
      }
    }
  });
  return transposed;
}

std::vector<float> output_dots(Executor& executor, const AttentionShape& shape, int64_t row_count, const float* out,
                               const float* d_out) {
  std::vector<float> dots(static_cast<size_t>(row_count * shape.query_head_count));
  executor.parallel_for(static_cast<int64_t>(dots.size()), 64, [&](Range range) {
    for (int64_t index = range.begin; index < range.end; ++index) {
      float dot = 0;
      for (int64_t d = index * shape.head_width; d < (index + 1) * shape.head_width; ++d) dot += out[d] * d_out[d];
      dots[static_cast<size_t>(index)] = dot;
    }
  });
  return dots;
}

// A sink has the probability e^(sink - log_sum_exp) in each row, and no value: its score's gradient is that times
// 0 - d_out · out.
void backward_sinks(const Job& job, int64_t row_count, Executor& executor) {
  const int64_t heads = job.shape.query_head_count;
  executor.parallel_for(heads, 1, [&](Range range) {
    for (int64_t head = range.begin; head < range.end; ++head) {
      double d_sink = 0;
      for (int64_t index = head; index < row_count * heads; index += heads) {
        const float probability =
            std::exp(job.forward.sinks[static_cast<size_t>(head)] - job.forward.log_sum_exp[index]);
        d_sink -= static_cast<double>(probability) * static_cast<double>(job.d_output_dots[index]);
      }
      job.gradients.d_sinks[head] += static_cast<float>(d_sink);
    }
  });
}

}  // namespace

void attention_backward(Executor& executor, const AttentionShape& shape, SequenceOffsets sequences,
                        const AttentionForward& forward, const float* d_out, const AttentionGradients& gradients) {
  CHECK(shape.query_head_count % shape.key_value_head_count == 0);
  CHECK(gradients.d_sinks == nullptr || static_cast<int64_t>(forward.sinks.size()) == shape.query_head_count);
  if (sequences.offsets.empty()) return;
  const std::vector<Block> blocks = make_blocks(sequences);
  const std::vector<float> dots = output_dots(executor, shape, sequences.offsets.back(), forward.out, d_out);
  const std::vector<float> transposed = transpose(executor, shape, blocks, forward);
  const Job job = {shape, forward, d_out, gradients, attention_kernels(active_isa()), dots.data(), transposed.data()};
  if (gradients.d_sinks != nullptr) backward_sinks(job, sequences.offsets.back(), executor);

  // Items in an order that ends with short ones: late rows see many tokens, early tokens are seen by many rows.
  const int64_t block_count = static_cast<int64_t>(blocks.size());
  const int64_t row_items = block_count * shape.query_head_count;
  const int64_t token_items = block_count * shape.key_value_head_count;
  std::atomic<int64_t> next = 0;
  executor.parallel([&](int, int) {
    std::vector<float> memory;
    for (int64_t item = next++; item < row_items + token_items; item = next++) {
      if (item < row_items) {
        const Block& rows = blocks[static_cast<size_t>(block_count - 1 - item / shape.query_head_count)];
        backward_rows(job, blocks, rows, item % shape.query_head_count, memory);
      } else {
        const int64_t rest = item - row_items;
        backward_tokens(job, blocks[static_cast<size_t>(rest / shape.key_value_head_count)],
                        rest % shape.key_value_head_count, memory);
      }
    }
  });
}

}  // namespace pelton
