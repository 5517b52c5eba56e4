#include "ops/routing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/grain.h"

namespace pelton {
namespace {

// The A largest of E numbers; of equal ones, the first. Their places, ascending.
void find_largest(const float* values, int64_t count, std::span<int32_t> places) {
  for (size_t found = 0; found < places.size(); ++found) {
    const auto before = places.first(found);
    int32_t best = -1;
    for (int32_t i = 0; i < static_cast<int32_t>(count); ++i) {
      if (best >= 0 && !(values[i] > values[best])) continue;
      if (std::find(before.begin(), before.end(), i) == before.end()) best = i;
    }
    places[found] = best;
  }
  std::sort(places.begin(), places.end());
}

// Of E numbers; p may be they.
void softmax(const float* logits, int64_t count, float* p) {
  const float largest = *std::max_element(logits, logits + count);
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += p[i] = std::exp(logits[i] - largest);
  for (int64_t i = 0; i < count; ++i) p[i] /= sum;
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

// Leaves experts of all but the best groups with −∞.
void keep_best_groups(const RoutingShape& shape, float* ranks) {
  const int64_t size = shape.expert_count / shape.group_count;
  std::array<float, kExpertGroupCountMax> scores;
  for (int64_t group = 0; group < shape.group_count; ++group) {
    const float* of_group = ranks + group * size;
    std::array<int32_t, 2> best;
    const size_t counted = shape.has_sigmoids() ? 2 : 1;
    find_largest(of_group, size, std::span(best).first(counted));
    float& score = scores[static_cast<size_t>(group)];
    score = 0;
    for (const int32_t place : std::span(best).first(counted)) score += of_group[place];
  }
  std::array<int32_t, kExpertGroupCountMax> chosen;
  const auto kept = std::span(chosen).first(static_cast<size_t>(shape.active_group_count));
  find_largest(scores.data(), shape.group_count, kept);
  for (int64_t group = 0; group < shape.group_count; ++group) {
    if (std::find(kept.begin(), kept.end(), group) != kept.end()) continue;
    std::fill_n(ranks + group * size, size, -std::numeric_limits<float>::infinity());
  }
}

// body(row) for each row, shared out.
template <typename Body>
void for_rows(Executor& executor, int64_t row_count, int64_t operations_each, const Body& body) {
  executor.parallel_for(row_count, parallel_grain(row_count, operations_each), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) body(row);
  });
}

}  // namespace

void Routing::set(Executor& executor, const RoutingShape& shape, const float* logits, int64_t row_count,
                  const float* correction) {
  CHECK(shape.active_count >= 1 && shape.active_count <= shape.expert_count);
  CHECK(shape.group_count <= kExpertGroupCountMax && shape.expert_count % shape.group_count == 0);
  CHECK(shape.active_count <= shape.active_group_count * (shape.expert_count / shape.group_count));
  CHECK(!(shape.has_groups() && shape.has_sigmoids()) || shape.expert_count / shape.group_count >= 2);
  CHECK(correction == nullptr || shape.has_sigmoids());
  shape_ = shape;
  row_count_ = row_count;
  chosen_ = chosen_memory_.reserve(slot_count());
  chosen_weights_ = chosen_weights_memory_.reserve(slot_count());
  slots_of_experts_ = experts_memory_.reserve(shape.expert_count);
  rows_ = rows_memory_.reserve(slot_count());
  weights_ = weights_memory_.reserve(slot_count());
  slots_of_rows_ = slots_memory_.reserve(slot_count());
  const bool ranks_apart = shape.has_sigmoids() || shape.has_groups();
  ranks_ = ranks_apart ? ranks_memory_.reserve(row_count * shape.expert_count) : nullptr;
  for_rows(executor, row_count, shape.expert_count * (shape.active_count + 8),
           [&](int64_t row) { choose(logits + row * shape.expert_count, correction, row); });

  // Count, then place: Range::end counts first and then says where the expert's next slot is.
  std::fill_n(slots_of_experts_, shape.expert_count, Range{0, 0});
  for (int64_t i = 0; i < slot_count(); ++i) ++slots_of_experts_[chosen_[i]].end;
  int64_t slot = 0;
  for (int64_t expert = 0; expert < shape.expert_count; ++expert) {
    const int64_t count = slots_of_experts_[expert].end;
    slots_of_experts_[expert] = {slot, slot};
    slot += count;
  }
  for (int64_t i = 0; i < slot_count(); ++i) {
    const int64_t at = slots_of_experts_[chosen_[i]].end++;
    rows_[at] = static_cast<int32_t>(i / shape.active_count);
    weights_[at] = chosen_weights_[i];
    slots_of_rows_[i] = static_cast<int32_t>(at);
  }
}

// What the experts of a row are chosen by.
const float* Routing::rank_experts(const float* logits, const float* correction, int64_t row) {
  if (ranks_ == nullptr) return logits;
  float* ranks = ranks_ + row * shape_.expert_count;
  for (int64_t i = 0; i < shape_.expert_count; ++i) {
    ranks[i] = shape_.has_sigmoids() ? sigmoid(logits[i]) : logits[i];
    if (correction != nullptr) ranks[i] += correction[i];
  }
  if (shape_.has_groups()) keep_best_groups(shape_, ranks);
  return ranks;
}

void Routing::choose(const float* logits, const float* correction, int64_t row) {
  const std::span<int32_t> chosen(chosen_ + row * shape_.active_count, size(shape_.active_count));
  float* weights = chosen_weights_ + row * shape_.active_count;
  find_largest(rank_experts(logits, correction, row), shape_.expert_count, chosen);
  for (size_t i = 0; i < chosen.size(); ++i) weights[i] = logits[chosen[i]];
  weigh(logits, {weights, chosen.size()});
}

// Logits of the chosen experts → their weights. `logits`: of all.
void Routing::weigh(const float* logits, std::span<float> weights) const {
  float sum = 1;
  switch (shape_.weights) {
    case RoutingWeights::kSoftmaxOfChosen:
      softmax(weights.data(), std::ssize(weights), weights.data());
      break;
    case RoutingWeights::kSoftmaxOfAll: {
      const float largest = *std::max_element(logits, logits + shape_.expert_count);
      sum = 0;
      for (int64_t i = 0; i < shape_.expert_count; ++i) sum += std::exp(logits[i] - largest);
      for (float& weight : weights) weight = std::exp(weight - largest);
      break;
    }
    case RoutingWeights::kSigmoid:
    case RoutingWeights::kSigmoidOfChosen:
      std::transform(weights.begin(), weights.end(), weights.begin(), sigmoid);
      if (shape_.weights == RoutingWeights::kSigmoidOfChosen)
        sum = std::accumulate(weights.begin(), weights.end(), 0.0f);
      break;
  }
  for (float& weight : weights) weight = weight / sum * shape_.scale;
}

void gather_rows(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y) {
  const std::span<const int32_t> rows = routing.rows();
  for_rows(executor, routing.slot_count(), width,
           [&](int64_t slot) { std::copy_n(x + rows[static_cast<size_t>(slot)] * width, width, y + slot * width); });
}

void combine_slots(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y) {
  const std::span<const float> weights = routing.weights();
  for_rows(executor, routing.row_count(), 2 * width * routing.shape().active_count, [&](int64_t row) {
    float* sum = y + row * width;
    std::fill_n(sum, width, 0.0f);
    for (const int32_t slot : routing.slots_of_row(row)) {
      const float weight = weights[static_cast<size_t>(slot)];
      const float* from = x + slot * width;
      for (int64_t i = 0; i < width; ++i) sum[i] += weight * from[i];
    }
  });
}

void sum_slots(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  for_rows(executor, routing.row_count(), width * routing.shape().active_count, [&](int64_t row) {
    float* sum = y + row * width;
    std::fill_n(sum, width, 0.0f);
    for (const int32_t slot : routing.slots_of_row(row)) kernels.add(x + slot * width, sum, width, sum);
  });
}

// With w = s · softmax(l): d_l_i = w_i (d_w_i - Σ_j w_j d_w_j / s), over the logits that the softmax saw. An expert
// that was not chosen has d_w = 0, and where the softmax saw the chosen alone, w = 0. With w = s · σ(l) / Σ σ: the
// same, times 1 - σ(l_i). With w = s · σ(l): d_l_i = w_i (1 - σ(l_i)) d_w_i.
void combine_slots_backward(Executor& executor, const Routing& routing, const float* logits, const float* x,
                            const float* d_y, int64_t width, const RoutingGradients& gradients) {
  const RoutingShape& shape = routing.shape();
  const std::span<const float> weights = routing.weights();
  const auto expert_of = [&](int32_t slot) {
    const std::span<const Range> experts = routing.slots_of_experts();
    return std::find_if(experts.begin(), experts.end(), [&](Range slots) { return slot < slots.end; }) -
           experts.begin();
  };
  const bool is_shared_out = shape.weights != RoutingWeights::kSigmoid;  // a larger weight makes the others smaller
  for_rows(executor, routing.row_count(), 4 * width * shape.active_count, [&](int64_t row) {
    const float* d_row = d_y + row * width;
    const float* l = logits + row * shape.expert_count;
    float* d_logits = gradients.d_logits + row * shape.expert_count;
    std::fill_n(d_logits, shape.expert_count, 0.0f);
    double weighted = 0;
    for (const int32_t slot : routing.slots_of_row(row)) {
      const float weight = weights[static_cast<size_t>(slot)];
      double d_weight = 0;
      for (int64_t i = 0; i < width; ++i) {
        d_weight += static_cast<double>(d_row[i]) * static_cast<double>(x[slot * width + i]);
        gradients.d_x[slot * width + i] = weight * d_row[i];
      }
      d_logits[expert_of(slot)] = weight * static_cast<float>(d_weight);
      weighted += static_cast<double>(weight) * d_weight;
    }
    if (shape.weights != RoutingWeights::kSoftmaxOfAll) {
      for (const int32_t slot : routing.slots_of_row(row)) {
        float& d_logit = d_logits[expert_of(slot)];
        if (is_shared_out) d_logit -= weights[static_cast<size_t>(slot)] * static_cast<float>(weighted) / shape.scale;
        if (shape.has_sigmoids()) d_logit *= 1 - sigmoid(l[expert_of(slot)]);
      }
      return;
    }
    const float largest = *std::max_element(l, l + shape.expert_count);
    double sum = 0;
    for (int64_t i = 0; i < shape.expert_count; ++i) sum += std::exp(static_cast<double>(l[i] - largest));
    for (int64_t i = 0; i < shape.expert_count; ++i) {
      d_logits[i] -= static_cast<float>(std::exp(static_cast<double>(l[i] - largest)) / sum * weighted);
    }
  });
}

}  // namespace pelton
