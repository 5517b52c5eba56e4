#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/elementwise/elementwise.h"

namespace pelton {
namespace {

struct Inputs {
  std::vector<float> a, b, d_y;
};

// One size's cases: they differ in name, work and what they call.
class CaseWriter {
 public:
  CaseWriter(std::vector<OpCase>& cases, int64_t count) : cases_(cases), count_(count) {
    Rng rng(static_cast<uint64_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      inputs_->a.push_back(12 * rng.next_symmetric());
      inputs_->b.push_back(rng.next_symmetric());
      inputs_->d_y.push_back(rng.next_symmetric());
    }
  }

  struct Costs {
    double tolerance;
    double flops;  // of an element
    double bytes;  // of an element
    int64_t outputs = 1;
  };

  // run(kernels, inputs, count, output)
  template <typename Run>
  void add(std::string_view name, const Costs& costs, Run run) {
    const double elements = static_cast<double>(count_);
    OpCase added;
    added.name = fmt::format("{}/{}", name, count_);
    added.output_count = costs.outputs * count_;
    added.tolerance = costs.tolerance;
    added.flops = costs.flops * elements;
    added.bytes = costs.bytes * elements;
    added.run = [=, inputs = inputs_, count = count_](Isa isa, std::span<float> output) {
      run(elementwise_kernels(isa), *inputs, count, output.data());
    };
    cases_.push_back(std::move(added));
  }

 private:
  std::vector<OpCase>& cases_;
  int64_t count_;
  std::shared_ptr<Inputs> inputs_ = std::make_shared<Inputs>();
};

void append_arithmetic(CaseWriter& cases) {
  // One rounding, the same everywhere.
  cases.add("add", {.tolerance = 0, .flops = 1, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.add(in.a.data(), in.b.data(), count, y);
            });
  cases.add("scale", {.tolerance = 0, .flops = 1, .bytes = 8},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.scale(in.a.data(), 0.3f, count, y);
            });
  // A tanh within 4 ulp, a quotient and a product.
  cases.add("soft_cap", {.tolerance = 6 * 0x1p-23, .flops = 25, .bytes = 8},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.soft_cap(in.a.data(), 5, count, y);
            });
  // Of outputs b, in [-1, 1]: a quotient, a square, a difference and a product.
  cases.add("soft_cap_backward", {.tolerance = 4 * 0x1p-23, .flops = 5, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d_x) {
              kernels.soft_cap_backward(in.b.data(), 1, in.d_y.data(), count, d_x);
            });
}

void append_nonlinearities(CaseWriter& cases) {
  // An exponential within 2 ulp and four roundings: 6 · 2^-24 of the value.
  cases.add("silu_gate", {.tolerance = 0x1p-21, .flops = 20, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.silu_gate(in.a.data(), in.b.data(), count, y);
            });
  // 1 - sigmoid cancels where z is large: its error of 2^-23 is then multiplied by |z| <= 12.
  cases.add("silu_gate_backward", {.tolerance = 12 * 0x1p-21, .flops = 30, .bytes = 20, .outputs = 2},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d) {
              kernels.silu_gate_backward(in.a.data(), in.b.data(), in.d_y.data(), count, d, d + count);
            });
  // The exponent w has an error of 4 · 2^-24 of it, and so has e^-w, absolutely: w e^-w is below 0.4, or the value is.
  cases.add("gelu_gate", {.tolerance = 0x1p-20, .flops = 25, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.gelu_gate(in.a.data(), in.b.data(), count, y);
            });
  // 1 - sigmoid, off by 2^-23, is multiplied by z w'(z), which is below 60 up to |z| = 5 (beyond it 1 - sigmoid is 0).
  cases.add("gelu_gate_backward", {.tolerance = 60 * 0x1p-22, .flops = 40, .bytes = 20, .outputs = 2},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d) {
              kernels.gelu_gate_backward(in.a.data(), in.b.data(), in.d_y.data(), count, d, d + count);
            });
  // Bounds within the inputs' range, so that both sides of each are met. As silu_gate, with one sum more.
  cases.add("clamped_gate", {.tolerance = 2 * 0x1p-21, .flops = 25, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.clamped_gate({1.702f, 0.7f}, in.a.data(), in.b.data(), count, y);
            });
  // As silu_gate_backward; the steepness multiplies |z| up to 12.
  cases.add(
      "clamped_gate_backward", {.tolerance = 1.702 * 12 * 0x1p-20, .flops = 35, .bytes = 20, .outputs = 2},
      [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d) {
        kernels.clamped_gate_backward({1.702f, 0.7f}, in.a.data(), in.b.data(), in.d_y.data(), count, d, d + count);
      });
  cases.add("gelu", {.tolerance = 0x1p-20, .flops = 25, .bytes = 8},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.gelu(in.a.data(), count, y);
            });
  cases.add("gelu_backward", {.tolerance = 60 * 0x1p-22, .flops = 40, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d_x) {
              kernels.gelu_backward(in.a.data(), in.d_y.data(), count, d_x);
            });
  // erf is within 1.5e-7 < 2^-22, halved, times |z|; relative to the largest value, which is about 12 here. The
  // exponent has an error of 2^-24 z²/2, which e^(-z²/2) makes less than 2^-24.
  cases.add("gelu_erf", {.tolerance = 0x1p-22, .flops = 30, .bytes = 8},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.gelu_erf(in.a.data(), count, y);
            });
  cases.add("gelu_erf_gate", {.tolerance = 6 * 0x1p-22, .flops = 31, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* y) {
              kernels.gelu_erf_gate(in.a.data(), in.b.data(), count, y);
            });
  // Φ off by 2^-23, z φ by 2 · 2^-24, and the roundings of their sum.
  cases.add("gelu_erf_backward", {.tolerance = 0x1p-21, .flops = 40, .bytes = 12},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d_x) {
              kernels.gelu_erf_backward(in.a.data(), in.d_y.data(), count, d_x);
            });
  // The gradient by `up` is the value, |z| <= 12 times what Φ is off by.
  cases.add("gelu_erf_gate_backward", {.tolerance = 12 * 0x1p-22, .flops = 45, .bytes = 20, .outputs = 2},
            [](const ElementwiseKernels& kernels, const Inputs& in, int64_t count, float* d) {
              kernels.gelu_erf_gate_backward(in.a.data(), in.b.data(), in.d_y.data(), count, d, d + count);
            });
}

}  // namespace

void append_elementwise_cases(std::vector<OpCase>& cases) {
  for (const int64_t count : {1, 7, 16, 31, 576, 1536, 8191}) {
    CaseWriter writer(cases, count);
    append_arithmetic(writer);
    append_nonlinearities(writer);
  }
}

}  // namespace pelton
