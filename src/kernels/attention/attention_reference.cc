#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_int8_layout.h"
#include "quant/half.h"

namespace pelton {
namespace {

float to_float(float value) { return value; }
float to_float(uint16_t bf16) { return f32_from_bf16(bf16); }

// The product of a query with token `slot` of keys [K][16].
template <typename Element>
float dot(const float* query, const Element* keys, int64_t slot, int64_t head_width) {
  float sums[2] = {0, 0};
  for (int64_t d = 0; d < head_width; ++d) sums[d % 2] += query[d] * to_float(keys[d * kAttentionPageTokens + slot]);
  return sums[0] + sums[1];
}

// A score under a cap, and the derivative of that.
struct CappedScore {
  float value;
  float slope;
};
CappedScore capped(float score, float cap) {
  if (cap == kNoScoreCap) return {score, 1};
  const float bounded = std::tanh(score / cap);
  return {cap * bounded, 1 - bounded * bounded};
}

// The tokens of a tile that query i sees.
struct Visible {
  int64_t begin;
  int64_t end;
};
Visible visible(const AttentionTile& tile, int64_t i) {
  const int64_t hidden_count = tile.hidden_counts == nullptr ? 0 : tile.hidden_counts[i];
  return {std::max<int64_t>(hidden_count, 0), std::min(tile.visible_counts[i], tile.token_count)};
}

template <typename Element>
void attend_query(const AttentionTile& tile, int64_t i) {
  const auto [begin, end] = visible(tile, i);
  if (end <= 0) return;
  float* weights = tile.weights + i * kAttentionTileTokens;
  float maximum = tile.state.maximum[i];
  for (int64_t t = begin; t < end; ++t) {
    const Element* keys = reinterpret_cast<const Element*>(tile.blocks[t / kAttentionPageTokens]);
    const float score = dot(tile.queries[i], keys, t % kAttentionPageTokens, tile.head_width) * tile.scale;
    weights[t] = capped(score, tile.score_cap).value;
    maximum = std::max(maximum, weights[t]);
  }
  const float correction = std::exp(tile.state.maximum[i] - maximum);
  float sum = 0;
  for (int64_t t = begin; t < end; ++t) sum += weights[t] = std::exp(weights[t] - maximum);
  tile.state.maximum[i] = maximum;
  tile.state.sum[i] = tile.state.sum[i] * correction + sum;

  float* output = tile.state.output + i * padded_head_width(tile.head_width);
  for (int64_t d = 0; d < tile.head_width; ++d) output[d] *= correction;
  for (int64_t t = begin; t < end; ++t) {
    const Element* block = reinterpret_cast<const Element*>(tile.blocks[t / kAttentionPageTokens]);
    const Element* value = block + (kAttentionPageTokens + t % kAttentionPageTokens) * tile.head_width;
    for (int64_t d = 0; d < tile.head_width; ++d) output[d] += weights[t] * to_float(value[d]);
  }
}

template <typename Element>
void attend(const AttentionTile& tile) {
  for (int64_t i = 0; i < tile.query_count; ++i) attend_query<Element>(tile, i);
}

AttentionInt8Row quantise_row(const float* x, int64_t count, int8_t* values) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  const bool is_zero = largest < kAttentionInt8Smallest;
  const float inverse = is_zero ? 0.0f : 127.0f / largest;
  int32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
    sum += values[i];
  }
  return {is_zero ? 0.0f : largest / 127.0f, sum};
}

float at(const std::byte* block, int64_t floats_at, int64_t slot) {
  return reinterpret_cast<const float*>(block + floats_at)[slot];
}

void attend_int8_query(const AttentionTile& tile, int64_t i) {
  const auto [begin, end] = visible(tile, i);
  if (end <= 0) return;
  const KvInt8Layout layout{tile.head_width};
  const AttentionInt8Query& query = tile.int8_queries[i];
  float* weights = tile.weights + i * kAttentionTileTokens;
  float maximum = tile.state.maximum[i];
  for (int64_t t = begin; t < end; ++t) {
    const std::byte* block = tile.blocks[t / kAttentionPageTokens];
    const int64_t slot = t % kAttentionPageTokens;
    int32_t dot = 0;
    for (int64_t d = 0; d < tile.head_width; ++d) {
      dot += (static_cast<int32_t>(block[d / 4 * 64 + slot * 4 + d % 4]) - 128) * query.values[d];
    }
    const float score = static_cast<float>(dot) * (at(block, layout.key_scales_at(), slot) * query.scale);
    weights[t] = capped(score, tile.score_cap).value;
    maximum = std::max(maximum, weights[t]);
  }
  const float correction = std::exp(tile.state.maximum[i] - maximum);
  float sum = 0;
  float largest = 0;
  for (int64_t t = begin; t < end; ++t) {
    sum += weights[t] = std::exp(weights[t] - maximum);
    weights[t] *= at(tile.blocks[t / kAttentionPageTokens], layout.value_scales_at(), t % kAttentionPageTokens);
    largest = std::max(largest, weights[t]);
  }
  tile.state.maximum[i] = maximum;
  tile.state.sum[i] = tile.state.sum[i] * correction + sum;

  const float inverse = largest < kAttentionInt8Smallest ? 0.0f : 255.0f / largest;
  float* output = tile.state.output + i * layout.value_width();
  for (int64_t d = 0; d < tile.head_width; ++d) {
    int32_t dot = 0;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t slot = t % kAttentionPageTokens;
      const std::byte* four =
          tile.blocks[t / kAttentionPageTokens] + layout.values_at() + slot / 4 * layout.value_width() * 4 + 4 * d;
      dot += static_cast<int32_t>(std::nearbyint(weights[t] * inverse)) * static_cast<int8_t>(four[slot % 4]);
    }
    output[d] = output[d] * correction + static_cast<float>(dot) * (largest * (1.0f / 255.0f));
  }
}

void attend_int8(const AttentionTile& tile) {
  for (int64_t i = 0; i < tile.query_count; ++i) attend_int8_query(tile, i);
}

// With p = softmax(s) and o = sum of p v: dp = d_o · v, and ds = p (dp - sum of p dp) = p (dp - d_o · o).
void gradient_block(const AttentionGradientBlock& block) {
  for (int64_t i = 0; i < block.query_count; ++i) {
    for (int64_t t = 0; t < kAttentionPageTokens; ++t) {
      float& probability = block.probabilities[i * kAttentionPageTokens + t];
      float& d_score = block.d_scores[i * kAttentionPageTokens + t];
      probability = d_score = 0;
      if (t >= block.visible_counts[i]) continue;
      if (block.hidden_counts != nullptr && t < block.hidden_counts[i]) continue;
      const CappedScore score =
          capped(dot(block.queries[i], block.keys, t, block.head_width) * block.scale, block.score_cap);
      const float d_probability = dot(block.d_outputs[i], block.values, t, block.head_width);
      probability = std::exp(score.value - block.log_sum_exp[i]);
      d_score = probability * (d_probability - block.d_output_dots[i]) * score.slope * block.scale;
    }
  }
}

void add_weighted_rows(const WeightedRows& product) {
  for (int64_t i = 0; i < product.output_count; ++i) {
    float* output = product.output + i * padded_head_width(product.head_width);
    for (int64_t t = 0; t < product.count; ++t) {
      const float weight = product.weights[i * product.weight_stride + t * product.weight_step];
      const float* row = product.rows + t * product.row_stride;
      for (int64_t d = 0; d < product.head_width; ++d) output[d] += weight * row[d];
    }
  }
}

constexpr AttentionKernels kKernels = {.attend_f32 = attend<float>,
                                       .attend_bf16 = attend<uint16_t>,
                                       .attend_int8 = attend_int8,
                                       .quantise_row = quantise_row,
                                       .gradient_block = gradient_block,
                                       .add_weighted_rows = add_weighted_rows};

}  // namespace

const AttentionKernels* attention_kernels_reference() { return &kKernels; }

const AttentionKernels& attention_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *attention_kernels_avx512();
  if (isa == Isa::kAvx2) return *attention_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *attention_kernels_neon();
#endif
  return *attention_kernels_reference();
}

}  // namespace pelton
