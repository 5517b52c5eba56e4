// Lion (Chen et al. 2023, arXiv 2302.06675): the sign of an interpolated moment.
#include <cmath>

#include "train/optimisers/parameter_loop.h"

namespace pelton {
namespace {

class Lion final : public Optimiser {
 public:
  Lion(std::span<const Parameter> parameters, const OptimiserOptions& options)
      : options_(options), parameters_(parameters.begin(), parameters.end()), means_(zeros_like(parameters)) {}

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t) override {
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto beta2 = static_cast<float>(options_.beta2);
    for_each_parameter(executor, parameters, [&](size_t index, int64_t first, int64_t end) {
      Parameter& parameter = parameters[index];
      const double rate = learning_rate * parameter.learning_rate;
      const auto kept = static_cast<float>(parameter.decays ? 1 - rate * options_.weight_decay : 1);
      const auto size = static_cast<float>(rate);
      float* value = parameter.value.mutable_floats();
      float* mean = means_[index].mutable_floats();
      const float* gradient = gradients[index].floats();
      for (int64_t i = first; i < end; ++i) {
        const float direction = beta1 * mean[i] + (1 - beta1) * gradient[i];
        const float sign = direction == 0 ? 0.0f : std::copysign(1.0f, direction);
        value[i] = kept * value[i] - size * sign;
        mean[i] = beta2 * mean[i] + (1 - beta2) * gradient[i];
      }
    });
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state;
    append_state(state, "mean", parameters_, means_);
    return state;
  }

 private:
  OptimiserOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Tensor> means_;
};

}  // namespace

int64_t lion_state_bytes(std::string_view /*name*/, const Shape& shape, const OptimiserOptions& /*options*/) {
  return shape.element_count() * int64_t{sizeof(float)};
}

std::unique_ptr<Optimiser> make_lion(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<Lion>(parameters, options);
}

}  // namespace pelton
