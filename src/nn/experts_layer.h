// A mixture of experts: gated feed-forward blocks of which each row uses a few (Jiang et al. 2024, arXiv 2401.04088).
// Inputs: x [T, D], the router's logits [T, E]; output [T, D].
#pragma once

#include <vector>

#include "nn/layer.h"
#include "ops/routing.h"

namespace pelton {

class ExpertsLayer final : public Layer {
 public:
  struct Expert {
    LinearWeight gate, up;                                // [F, D]
    LinearWeight down;                                    // [D, F]
    Tensor gate_bias = {}, up_bias = {}, down_bias = {};  // F32; all or none
  };
  // At least one expert, as many as the shape says, all of one shape. correction: as in Routing::set, F32; empty: none.
  ExpertsLayer(const RoutingShape& routing, const GateFunction& f, std::vector<Expert> experts, Tensor correction = {});
  ExpertsLayer(const ExpertsLayer&) = delete;
  ExpertsLayer& operator=(const ExpertsLayer&) = delete;

  int64_t saved_count(const StepContext& step) const override;
  BackwardReads backward_reads(bool) const override { return {.inputs = true, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  // further_weights of the pass: of each expert gate, up, down, and where it has biases theirs.
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  void route(const StepContext& step, const Activation& logits, Routing& routing) const;
  bool has_biases() const { return !experts_[0].gate_bias.is_empty(); }
  int64_t width() const { return experts_[0].down.output_size(); }        // D
  int64_t hidden_width() const { return experts_[0].down.input_size(); }  // F

  RoutingShape routing_;
  GateFunction f_;
  std::vector<Expert> experts_;
  Tensor correction_;
  // By expert, into the list above.
  std::vector<GatedWeights> gated_;
  std::vector<BiasedWeight> gates_, ups_, downs_;
};

}  // namespace pelton
