#include "nn/layer.h"

namespace pelton {

LinearInput& SharedInput::of(const Activation& activation) {
  if (values_[latest_] != activation.value) {
    latest_ = 1 - latest_;
    if (values_[latest_] != activation.value) {
      inputs_[latest_].set(activation.data, activation.row_count, activation.width);
      values_[latest_] = activation.value;
    }
  }
  return inputs_[latest_];
}

int64_t InferenceLayer::output_rows(const StepContext&, std::span<const Activation> inputs) const {
  return inputs[0].row_count;
}

int64_t Layer::saved_count(const StepContext&) const { return 0; }

Layer::BackwardReads Layer::backward_reads(bool) const { return {}; }

}  // namespace pelton
