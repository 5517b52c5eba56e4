// AdamW (adamw.cc) that remembers in eight bits: of blocks of 256 numbers the mean, and the root of the mean square, as
// small floats under the block's largest (small_float.h). After Dettmers et al. 2021 (arXiv 2110.02861), whose codes
// have to be searched; these are a float's own bits, cut off. 2.03 bytes a parameter in place of 8.
#include <algorithm>
#include <array>
#include <cmath>

#include "train/optimisers/parameter_loop.h"
#include "train/optimisers/small_float.h"

namespace pelton {
namespace {

constexpr int64_t kBlock = 256;
static_assert(kParameterGrain % kBlock == 0, "a block belongs to one thread");

class AdamW8Bit final : public Optimiser {
 public:
  AdamW8Bit(std::span<const Parameter> parameters, const OptimiserOptions& options)
      : options_(options), parameters_(parameters.begin(), parameters.end()) {
    for (const Parameter& parameter : parameters) {
      const int64_t count = parameter.value.shape().element_count();
      const int64_t block_count = (count + kBlock - 1) / kBlock;
      means_.emplace_back(ElementType::kI8, Shape{count});
      roots_.emplace_back(ElementType::kI8, Shape{count});
      mean_scales_.push_back(Tensor::f32({block_count}));
      root_scales_.push_back(Tensor::f32({block_count}));
    }
  }

  void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
            double learning_rate, int64_t step) override {
    const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(step));
    const auto correction2 = static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, static_cast<double>(step))));
    for_each_parameter(executor, parameters, [&](size_t index, int64_t first, int64_t end) {
      Parameter& parameter = parameters[index];
      const double rate = learning_rate * parameter.learning_rate;
      const StepSizes sizes{.kept = static_cast<float>(parameter.decays ? 1 - rate * options_.weight_decay : 1),
                            .size = static_cast<float>(rate / correction1),
                            .correction = correction2,
                            .seed = static_cast<uint32_t>(step) * 0x85EBCA77u + static_cast<uint32_t>(index)};
      for (int64_t block = first; block < end; block += kBlock) {
        step_block(index, block, std::min(kBlock, end - block), sizes, gradients[index].floats() + block,
                   parameter.value.mutable_floats() + block);
      }
    });
  }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> state;
    append_state(state, "mean", parameters_, means_);
    append_state(state, "mean_scale", parameters_, mean_scales_);
    append_state(state, "root", parameters_, roots_);
    append_state(state, "root_scale", parameters_, root_scales_);
    return state;
  }

 private:
  struct StepSizes {
    float kept, size, correction;
    uint32_t seed;
  };

  void step_block(size_t index, int64_t first, int64_t count, const StepSizes& sizes, const float* gradient,
                  float* value) {
    const auto beta1 = static_cast<float>(options_.beta1);
    const auto beta2 = static_cast<float>(options_.beta2);
    const auto rest1 = static_cast<float>(1 - options_.beta1);
    const auto rest2 = static_cast<float>(1 - options_.beta2);
    const auto epsilon = static_cast<float>(options_.epsilon);
    const std::array<float, 256>& mean_values = small_signed_values();
    const std::array<float, 256>& root_values = small_unsigned_values();
    auto* mean_codes = reinterpret_cast<uint8_t*>(means_[index].mutable_data()) + first;
    auto* root_codes = reinterpret_cast<uint8_t*>(roots_[index].mutable_data()) + first;
    float& mean_scale = mean_scales_[index].mutable_floats()[first / kBlock];
    float& root_scale = root_scales_[index].mutable_floats()[first / kBlock];

    std::array<float, kBlock> means, roots;
    float mean_max = 0, root_max = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float root = root_values[root_codes[i]] * root_scale;
      const float mean = beta1 * (mean_values[mean_codes[i]] * mean_scale) + rest1 * gradient[i];
      const float new_root = std::sqrt(beta2 * root * root + rest2 * gradient[i] * gradient[i]);
      value[i] = sizes.kept * value[i] - sizes.size * mean / (new_root / sizes.correction + epsilon);
      means[static_cast<size_t>(i)] = mean;
      roots[static_cast<size_t>(i)] = new_root;
      mean_max = std::max(mean_max, std::abs(mean));
      root_max = std::max(root_max, new_root);
    }
    mean_scale = mean_max / kSmallSignedMax;
    root_scale = root_max / kSmallUnsignedMax;
    const float mean_inverse = mean_scale > 0 ? 1 / mean_scale : 0;
    const float root_inverse = root_scale > 0 ? 1 / root_scale : 0;
    for (int64_t i = 0; i < count; ++i) {
      mean_codes[i] = to_small_signed(means[static_cast<size_t>(i)] * mean_inverse);
      root_codes[i] = to_small_unsigned(roots[static_cast<size_t>(i)] * root_inverse,
                                        rounding_bits(static_cast<uint32_t>(first + i), sizes.seed));
    }
  }

  OptimiserOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Tensor> means_;  // codes
  std::vector<Tensor> roots_;
  std::vector<Tensor> mean_scales_;  // one a block
  std::vector<Tensor> root_scales_;
};

}  // namespace

int64_t adamw_8bit_state_bytes(std::string_view /*name*/, const Shape& shape, const OptimiserOptions& /*options*/) {
  const int64_t count = shape.element_count(), block_count = (count + kBlock - 1) / kBlock;
  return 2 * (count + block_count * int64_t{sizeof(float)});
}

std::unique_ptr<Optimiser> make_adamw_8bit(std::span<const Parameter> parameters, const OptimiserOptions& options) {
  return std::make_unique<AdamW8Bit>(parameters, options);
}

}  // namespace pelton
