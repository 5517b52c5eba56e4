#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/elementwise/elementwise.h"

namespace pelton {
namespace {

struct Inputs {
  std::vector<float> a, b, d_y;
};

}  // namespace

void append_elementwise_cases(std::vector<OpCase>& cases) {
  for (int64_t count : {1, 7, 16, 31, 576, 1536, 8191}) {
    Rng rng(static_cast<uint64_t>(count));
    auto inputs = std::make_shared<Inputs>();
    for (int64_t i = 0; i < count; ++i) {
      inputs->a.push_back(12 * rng.next_symmetric());
      inputs->b.push_back(rng.next_symmetric());
      inputs->d_y.push_back(rng.next_symmetric());
    }
    const double elements = static_cast<double>(count);

    OpCase sum;
    sum.name = fmt::format("add/{}", count);
    sum.output_count = count;
    sum.tolerance = 0;  // one rounding, the same everywhere
    sum.flops = elements;
    sum.bytes = 12 * elements;
    sum.run = [=](Isa isa, std::span<float> output) {
      elementwise_kernels(isa).add(inputs->a.data(), inputs->b.data(), count, output.data());
    };
    cases.push_back(std::move(sum));

    OpCase gate;
    gate.name = fmt::format("silu_gate/{}", count);
    gate.output_count = count;
    gate.tolerance = 0x1p-21;  // an exponential within 2 ulp and four roundings: 6 · 2^-24 of the value
    gate.flops = 20 * elements;
    gate.bytes = 12 * elements;
    gate.run = [=](Isa isa, std::span<float> output) {
      elementwise_kernels(isa).silu_gate(inputs->a.data(), inputs->b.data(), count, output.data());
    };
    cases.push_back(std::move(gate));

    OpCase backward;
    backward.name = fmt::format("silu_gate_backward/{}", count);
    backward.output_count = 2 * count;
    // 1 - sigmoid cancels where z is large: its error of 2^-23 is then multiplied by |z| <= 12.
    backward.tolerance = 12 * 0x1p-21;
    backward.flops = 30 * elements;
    backward.bytes = 20 * elements;
    backward.run = [=](Isa isa, std::span<float> output) {
      elementwise_kernels(isa).silu_gate_backward(inputs->a.data(), inputs->b.data(), inputs->d_y.data(), count,
                                                  output.data(), output.data() + count);
    };
    cases.push_back(std::move(backward));
  }
}

}  // namespace pelton
