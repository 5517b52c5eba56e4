#include "ops/routing.h"

#include <algorithm>
#include <cmath>

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

// body(row) for each row, shared out.
template <typename Body>
void for_rows(Executor& executor, int64_t row_count, int64_t operations_each, const Body& body) {
  executor.parallel_for(row_count, parallel_grain(row_count, operations_each), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) body(row);
  });
}

}  // namespace

void Routing::set(Executor& executor, const RoutingShape& shape, const float* logits, int64_t row_count) {
  CHECK(shape.active_count >= 1 && shape.active_count <= shape.expert_count);
  shape_ = shape;
  row_count_ = row_count;
  chosen_ = chosen_memory_.reserve(slot_count());
  chosen_weights_ = chosen_weights_memory_.reserve(slot_count());
  slots_of_experts_ = experts_memory_.reserve(shape.expert_count);
  rows_ = rows_memory_.reserve(slot_count());
  weights_ = weights_memory_.reserve(slot_count());
  slots_of_rows_ = slots_memory_.reserve(slot_count());
  for_rows(executor, row_count, shape.expert_count * (shape.active_count + 8),
           [&](int64_t row) { choose(logits + row * shape.expert_count, row); });

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

void Routing::choose(const float* logits, int64_t row) {
  const std::span<int32_t> chosen(chosen_ + row * shape_.active_count, size(shape_.active_count));
  float* weights = chosen_weights_ + row * shape_.active_count;
  find_largest(logits, shape_.expert_count, chosen);
  for (size_t i = 0; i < chosen.size(); ++i) weights[i] = logits[chosen[i]];
  if (shape_.weights == RoutingWeights::kSoftmaxOfChosen) return softmax(weights, shape_.active_count, weights);
  const float largest = *std::max_element(logits, logits + shape_.expert_count);
  float sum = 0;
  for (int64_t i = 0; i < shape_.expert_count; ++i) sum += std::exp(logits[i] - largest);
  for (size_t i = 0; i < chosen.size(); ++i) weights[i] = std::exp(weights[i] - largest) / sum;
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

// With p = softmax(l): d_l_i = p_i (d_p_i - Σ_j p_j d_p_j), over the logits that the softmax saw. An expert that was
// not chosen has d_p = 0, and where the softmax saw the chosen alone, p = 0.
void combine_slots_backward(Executor& executor, const Routing& routing, const float* logits, const float* x,
                            const float* d_y, int64_t width, const RoutingGradients& gradients) {
  const RoutingShape& shape = routing.shape();
  const std::span<const float> weights = routing.weights();
  const auto expert_of = [&](int32_t slot) {
    const std::span<const Range> experts = routing.slots_of_experts();
    return std::find_if(experts.begin(), experts.end(), [&](Range slots) { return slot < slots.end; }) -
           experts.begin();
  };
  for_rows(executor, routing.row_count(), 4 * width * shape.active_count, [&](int64_t row) {
    const float* d_row = d_y + row * width;
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
    if (shape.weights == RoutingWeights::kSoftmaxOfChosen) {
      for (const int32_t slot : routing.slots_of_row(row)) {
        d_logits[expert_of(slot)] -= weights[static_cast<size_t>(slot)] * static_cast<float>(weighted);
      }
      return;
    }
    const float* l = logits + row * shape.expert_count;
    const float largest = *std::max_element(l, l + shape.expert_count);
    double sum = 0;
    for (int64_t i = 0; i < shape.expert_count; ++i) sum += std::exp(static_cast<double>(l[i] - largest));
    for (int64_t i = 0; i < shape.expert_count; ++i) {
      d_logits[i] -= static_cast<float>(std::exp(static_cast<double>(l[i] - largest)) / sum * weighted);
    }
  });
}

}  // namespace pelton
