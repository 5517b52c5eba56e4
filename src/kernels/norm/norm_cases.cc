#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/norm/norm.h"

namespace pelton {

void append_norm_cases(std::vector<OpCase>& cases) {
  for (int64_t width : {1, 7, 16, 20, 63, 64, 65, 576, 577, 4096}) {
    struct Inputs {
      std::vector<float> x, weight, d_y;
    };
    Rng rng(static_cast<uint64_t>(width));
    auto inputs = std::make_shared<Inputs>();
    for (int64_t i = 0; i < width; ++i) {
      inputs->x.push_back(3 * rng.next_symmetric());
      inputs->weight.push_back(1 + rng.next_symmetric());
      inputs->d_y.push_back(rng.next_symmetric());
    }
    const double elements = static_cast<double>(width);
    // The sum of squares has positive terms only: two orders of it differ by less than width · 2^-24 of it in the worst
    // case and by about sqrt(width) · 2^-24 in practice; the root halves that, and three more roundings follow.
    const double tolerance = (4 + elements / 16) * 0x1p-24;

    OpCase forward;
    forward.name = fmt::format("rms_norm/D={}", width);
    forward.output_count = width;
    forward.tolerance = tolerance;
    forward.flops = 4 * elements;
    forward.bytes = 12 * elements;
    forward.run = [inputs, width](Isa isa, std::span<float> output) {
      const NormKernels& kernels = norm_kernels(isa);
      const float factor = kernels.inverse_rms(inputs->x.data(), 1e-5f, width);
      kernels.scale(inputs->x.data(), factor, inputs->weight.data(), width, output.data());
    };
    cases.push_back(std::move(forward));

    OpCase backward;
    backward.name = fmt::format("rms_norm_backward/D={}", width);
    backward.output_count = 2 * width;
    backward.tolerance = 2 * tolerance;  // one more sum over the row, of terms with either sign
    backward.flops = 12 * elements;
    backward.bytes = 20 * elements;
    backward.run = [inputs, width](Isa isa, std::span<float> output) {
      const NormKernels& kernels = norm_kernels(isa);
      const float factor = kernels.inverse_rms(inputs->x.data(), 1e-5f, width);
      kernels.backward(inputs->x.data(), factor, inputs->weight.data(), inputs->d_y.data(), width, output.data());
      float* d_weight = output.data() + width;
      for (int64_t i = 0; i < width; ++i) d_weight[i] = 1;
      kernels.accumulate_weight(inputs->x.data(), factor, inputs->d_y.data(), width, d_weight);
    };
    cases.push_back(std::move(backward));

    // As above; the row's deviation from its mean loses what the mean, off by `tolerance`, is larger than it.
    OpCase standardised;
    standardised.name = fmt::format("layer_norm/D={}", width);
    standardised.output_count = width;
    standardised.tolerance = 4 * tolerance;
    standardised.flops = 7 * elements;
    standardised.bytes = 16 * elements;
    standardised.run = [inputs, width](Isa isa, std::span<float> output) {
      const NormKernels& kernels = norm_kernels(isa);
      const RowMoments moments = kernels.moments(inputs->x.data(), 1e-5f, width);
      kernels.standardise(inputs->x.data(), moments, inputs->weight.data(), inputs->d_y.data(), width, output.data());
    };
    cases.push_back(std::move(standardised));

    OpCase standardised_backward;
    standardised_backward.name = fmt::format("layer_norm_backward/D={}", width);
    standardised_backward.output_count = 2 * width;
    standardised_backward.tolerance = 8 * tolerance;
    standardised_backward.flops = 20 * elements;
    standardised_backward.bytes = 20 * elements;
    standardised_backward.run = [inputs, width](Isa isa, std::span<float> output) {
      const NormKernels& kernels = norm_kernels(isa);
      const float* x = inputs->x.data();
      const RowMoments moments = kernels.moments(x, 1, width);
      kernels.standardise_backward(x, moments, inputs->weight.data(), inputs->d_y.data(), width, output.data());
      float* d_weight = output.data() + width;
      for (int64_t i = 0; i < width; ++i) d_weight[i] = 1;
      kernels.accumulate_standardised(x, moments, inputs->d_y.data(), width, d_weight);
    };
    cases.push_back(std::move(standardised_backward));
  }
}

}  // namespace pelton
