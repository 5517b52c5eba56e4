// AdamW (Kingma, Ba 2014, arXiv 1412.6980; Loshchilov, Hutter 2017, arXiv 1711.05101), in the order of PyTorch's
// operations: the decay first, then the step, whose correction of the bias is outside of the root.
#include <cmath>

#include "train/optimisers/parameter_loop.h"

namespace pelton {
namespace {

class AdamW final : public Optimiser {
 public:
  AdamW(std::span<const Parameter> parameters, const OptimiserOptions& options)
      : options_(options),
        parameters_(parameters.begin(), parameters.end()),
        means_(zeros_like(parameters)),
        squares_(zeros_like(parameters)) {}

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t step) override {
    const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(step));
    const double correction2 = std::sqrt(1 - std::pow(options_.beta2, static_cast<double>(step)));
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto beta2 = static_cast<float>(options_.beta2);
    const auto rest1 = static_cast<float>(1 - options_.beta1);
    const auto rest2 = static_cast<float>(1 - options_.beta2);
    const auto epsilon = static_cast<float>(options_.epsilon);
    for_each_parameter(executor, parameters, [&](size_t index, int64_t first, int64_t end) {
      Parameter& parameter = parameters[index];
      const double rate = learning_rate * parameter.learning_rate;
      const auto kept = static_cast<float>(parameter.decays ? 1 - rate * options_.weight_decay : 1);
      const auto size = static_cast<float>(rate / correction1);
      const auto root = static_cast<float>(correction2);
      float* value = parameter.value.mutable_floats();
      float* mean = means_[index].mutable_floats();
      float* square = squares_[index].mutable_floats();
      const float* gradient = gradients[index].floats();
      for (int64_t i = first; i < end; ++i) {
        mean[i] = beta1 * mean[i] + rest1 * gradient[i];
        square[i] = beta2 * square[i] + rest2 * gradient[i] * gradient[i];
        value[i] = kept * value[i] - size * mean[i] / (std::sqrt(square[i]) / root + epsilon);
      }
    });
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state;
    append_state(state, "mean", parameters_, means_);
    append_state(state, "square", parameters_, squares_);
    return state;
  }

 private:
  OptimiserOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Tensor> means_;
  std::vector<Tensor> squares_;
};

}  // namespace

int64_t adamw_state_bytes(std::string_view /*name*/, const Shape& shape, const OptimiserOptions& /*options*/) {
  return 2 * shape.element_count() * int64_t{sizeof(float)};
}

std::unique_ptr<Optimiser> make_adamw(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<AdamW>(parameters, options);
}

}  // namespace pelton
