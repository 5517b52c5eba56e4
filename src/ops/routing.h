// Which experts a row goes to in a mixture of experts, with which weights (Shazeer et al. 2017, arXiv 1701.06538), and
// the way there and back: rows are gathered expert by expert, so that each expert's matrices meet all their rows at
// once.
//
// A slot is a row at one of its experts. Slots lie expert by expert, within one in the order of the rows, and a row's
// results are summed in the order of its experts' numbers: what a row gets does not depend on the others.
#pragma once

#include <cstdint>
#include <span>

#include "ops/executor.h"
#include "ops/scratch.h"

namespace pelton {

enum class RoutingWeights : uint8_t {
  kSoftmaxOfChosen,  // softmax over the chosen experts' logits; the same as over all, made to sum to 1
  kSoftmaxOfAll,     // softmax over all logits, of which the chosen keep theirs
  kSigmoid,          // of each logit (DeepSeek-AI 2024, arXiv 2412.19437)
  kSigmoidOfChosen,  // the same, made to sum to 1
};

// Of experts in groups.
constexpr int64_t kExpertGroupCountMax = 64;

struct RoutingShape {
  int64_t expert_count = 0;  // E
  int64_t active_count = 0;  // A: experts of a row, 1 to E
  RoutingWeights weights = RoutingWeights::kSoftmaxOfChosen;
  float scale = 1;  // of all weights
  // Experts lie in so many groups, one behind the other, and a row goes to experts of its best groups alone: those with
  // the largest logit or, of sigmoids, with the largest sum of two.
  int64_t group_count = 1;         // divides E
  int64_t active_group_count = 1;  // of a row; together they have A experts

  bool has_sigmoids() const {
    return weights == RoutingWeights::kSigmoid || weights == RoutingWeights::kSigmoidOfChosen;
  }
  bool has_groups() const { return active_group_count < group_count; }

  friend bool operator==(const RoutingShape&, const RoutingShape&) = default;
};

// Where the rows of one step go. Reused from step to step: allocates nothing once it has seen as many rows.
class Routing {
 public:
  // logits: [T, E]. A row goes to its A largest; of equal ones, to those with the lower number. `correction` [E] is
  // added to sigmoids for that choice, and for nothing else; null: none.
  void set(Executor& executor, const RoutingShape& shape, const float* logits, int64_t row_count,
           const float* correction = nullptr);

  int64_t row_count() const { return row_count_; }
  int64_t slot_count() const { return row_count_ * shape_.active_count; }
  const RoutingShape& shape() const { return shape_; }
  std::span<const Range> slots_of_experts() const { return {slots_of_experts_, size(shape_.expert_count)}; }
  // [slots]
  std::span<const int32_t> rows() const { return {rows_, size(slot_count())}; }
  std::span<const float> weights() const { return {weights_, size(slot_count())}; }
  // [A], by ascending number of expert.
  std::span<const int32_t> slots_of_row(int64_t row) const {
    return {slots_of_rows_ + row * shape_.active_count, size(shape_.active_count)};
  }

 private:
  static size_t size(int64_t count) { return static_cast<size_t>(count); }
  const float* rank_experts(const float* logits, const float* correction, int64_t row);
  void choose(const float* logits, const float* correction, int64_t row);
  void weigh(const float* logits, std::span<float> weights) const;

  RoutingShape shape_;
  int64_t row_count_ = 0;
  Scratch<int32_t> chosen_memory_, rows_memory_, slots_memory_;
  Scratch<float> chosen_weights_memory_, weights_memory_, ranks_memory_;
  Scratch<Range> experts_memory_;
  int32_t* chosen_ = nullptr;          // [T, A], ascending within a row
  float* chosen_weights_ = nullptr;    // [T, A]
  Range* slots_of_experts_ = nullptr;  // [E]
  int32_t* rows_ = nullptr;            // [slots]
  float* weights_ = nullptr;           // [slots]
  float* ranks_ = nullptr;             // [T, E]: what experts are chosen by; null: their logits
  int32_t* slots_of_rows_ = nullptr;   // [T, A]
};

// y [slots, width]: each slot's row of x [T, width].
void gather_rows(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y);
// y [T, width]: each row's slots of x [slots, width], summed, each with its weight.
void combine_slots(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y);
// The same without weights: the backward of gather_rows().
void sum_slots(Executor& executor, const Routing& routing, const float* x, int64_t width, float* y);

// Backward of combine_slots(), through the weights to the logits too. All assigned.
struct RoutingGradients {
  float* d_x;       // [slots, width]
  float* d_logits;  // [T, E]
};
void combine_slots_backward(Executor& executor, const Routing& routing, const float* logits, const float* x,
                            const float* d_y, int64_t width, const RoutingGradients& gradients);

}  // namespace pelton
