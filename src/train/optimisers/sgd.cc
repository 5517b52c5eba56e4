// Stochastic gradient descent with PyTorch's momentum: velocity = momentum · velocity + gradient. Decay as AdamW's.
#include "train/optimisers/parameter_loop.h"

namespace pelton {
namespace {

class Sgd final : public Optimiser {
 public:
  Sgd(std::span<const Parameter> parameters, const OptimiserOptions& options)
      : options_(options), parameters_(parameters.begin(), parameters.end()) {
    if (options_.momentum > 0) velocities_ = zeros_like(parameters);
  }

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t) override {
    const auto momentum = static_cast<float>(options_.momentum);
    for_each_parameter(executor, parameters, [&](size_t index, int64_t first, int64_t end) {
      Parameter& parameter = parameters[index];
      const double rate = learning_rate * parameter.learning_rate;
      const auto kept = static_cast<float>(parameter.decays ? 1 - rate * options_.weight_decay : 1);
      const auto size = static_cast<float>(rate);
      float* value = parameter.value.mutable_floats();
      float* velocity = velocities_.empty() ? nullptr : velocities_[index].mutable_floats();
      const float* gradient = gradients[index].floats();
      for (int64_t i = first; i < end; ++i) {
        float direction = gradient[i];
        if (velocity != nullptr) direction = velocity[i] = momentum * velocity[i] + gradient[i];
        value[i] = kept * value[i] - size * direction;
      }
    });
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state;
    if (!velocities_.empty()) append_state(state, "velocity", parameters_, velocities_);
    return state;
  }

 private:
  OptimiserOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Tensor> velocities_;  // empty: no momentum
};

}  // namespace

int64_t sgd_state_bytes(std::string_view /*name*/, const Shape& shape, const OptimiserOptions& options) {
  return options.momentum > 0 ? shape.element_count() * int64_t{sizeof(float)} : 0;
}

std::unique_ptr<Optimiser> make_sgd(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<Sgd>(parameters, options);
}

}  // namespace pelton
