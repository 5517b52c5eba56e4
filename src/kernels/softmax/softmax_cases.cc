#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/softmax/softmax.h"

namespace pelton {

void append_softmax_cases(std::vector<OpCase>& cases) {
  for (int64_t count : {1, 15, 16, 17, 1023, 1025, 49152, 262145}) {
    Rng rng(static_cast<uint64_t>(count));
    auto x = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < count; ++i) x->push_back(20 * rng.next_symmetric());
    const double elements = static_cast<double>(count);

    OpCase result;
    result.name = fmt::format("softmax/V={}", count);
    result.output_count = 2 * count;
    // Probabilities are at most 1, with an exponential and a sum in blocks (1024 positive terms: below 2^-19) behind
    // them. Logarithms reach 50, of which one rounding is 2^-19; the test divides by that magnitude.
    result.tolerance = 0x1p-19;
    result.flops = 45 * elements;
    result.bytes = 24 * elements;
    result.run = [=](Isa isa, std::span<float> output) {
      const SoftmaxKernels& kernels = softmax_kernels(isa);
      const float maximum = kernels.maximum(x->data(), count);
      const double sum = kernels.sum_exp(x->data(), maximum, count);
      kernels.scaled_exp(x->data(), maximum, static_cast<float>(1 / sum), count, output.data());
      kernels.subtract(x->data(), maximum, count, output.data() + count);
    };
    cases.push_back(std::move(result));
  }
}

}  // namespace pelton
