#include "nn/layer.h"

namespace pelton {

LinearInput& SharedInput::of(const Activation& activation) {
  if (value_ != activation.value) {
    input_.set(activation.data, activation.row_count, activation.width);
    value_ = activation.value;
  }
  return input_;
}

int64_t Layer::output_rows(const StepContext&, std::span<const Activation> inputs) const { return inputs[0].row_count; }

int64_t Layer::saved_count(const StepContext&) const { return 0; }

}  // namespace pelton
