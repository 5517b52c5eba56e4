// Several layers in one, for inference: fewer regions and fewer passes over the activations. Each gives the bits of the
// chain of plain layers that it stands for (model/fusion.h says which), which is what it is tested against.
#pragma once

#include <array>
#include <optional>

#include "nn/layer.h"
#include "ops/linear.h"
#include "tensor/tensor.h"

namespace pelton {

// Whether a layer leaves the int8 form of its last output, for the matrices that read it next.
enum class LeavesInt8 : bool { kNo, kYes };

// The norm of x, with its int8 form. Outputs: the norm.
class QuantisingRmsNormLayer final : public InferenceLayer {
 public:
  // weight: [D], F32.
  QuantisingRmsNormLayer(Tensor weight, float epsilon) : weight_(std::move(weight)), epsilon_(epsilon) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  Tensor weight_;
  float epsilon_;
};

// The residual sum and its norm. Inputs: a, b; outputs: a + b, the norm.
class AddRmsNormLayer final : public InferenceLayer {
 public:
  // weight: [D], F32.
  AddRmsNormLayer(Tensor weight, float epsilon, LeavesInt8 leaves_int8)
      : weight_(std::move(weight)), epsilon_(epsilon), leaves_int8_(leaves_int8) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  Tensor weight_;
  float epsilon_;
  LeavesInt8 leaves_int8_;
};

// The two matrices of SwiGLU and its gate. Inputs: x; outputs: silu(x · gateᵀ) · (x · upᵀ).
class GatedLinearLayer final : public InferenceLayer {
 public:
  GatedLinearLayer(LinearWeight gate, LinearWeight up, LeavesInt8 leaves_int8)
      : gate_(std::move(gate)), up_(std::move(up)), leaves_int8_(leaves_int8) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  LinearWeight gate_;
  LinearWeight up_;
  LeavesInt8 leaves_int8_;
};

// Queries, keys and values of the same rows, rotated where they are to be. Inputs: x; outputs: queries, keys, values.
class QueryKeyValueLayer final : public InferenceLayer {
 public:
  struct Rotation {
    int64_t table_index;
    RopeShape shape;
  };
  struct Projection {
    LinearWeight weight;
    std::optional<Rotation> rotation;
  };
  static constexpr size_t kProjectionCount = 3;
  explicit QueryKeyValueLayer(std::array<Projection, kProjectionCount> projections)
      : projections_(std::move(projections)) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  std::array<Projection, kProjectionCount> projections_;
};

}  // namespace pelton
