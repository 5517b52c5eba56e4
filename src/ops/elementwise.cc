#include "ops/elementwise.h"

#include "base/check.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/grain.h"

namespace pelton {
namespace {

constexpr int64_t kGrain = 256;                // whole vectors and cache lines
constexpr int64_t kExponentialOperations = 8;  // an exponential and a division, against one sum
constexpr int64_t kLineFloats = 16;

// body(kernels, range) on parts of `count` elements.
template <typename Body>
void for_elements(Executor& executor, int64_t count, int64_t operations, const Body& body) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  executor.parallel_for(count, parallel_grain(count, operations, kGrain), [&](Range range) { body(kernels, range); });
}

}  // namespace

void add(Executor& executor, const float* a, const float* b, int64_t count, float* y) {
  for_elements(executor, count, 1, [&](const ElementwiseKernels& kernels, Range range) {
    kernels.add(a + range.begin, b + range.begin, range.end - range.begin, y + range.begin);
  });
}

void accumulate(Executor& executor, const float* a, int64_t count, float* y) { add(executor, a, y, count, y); }

void add_bias(Executor& executor, const float* bias, int64_t row_count, int64_t width, float* y) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  executor.parallel_for(row_count, parallel_grain(row_count, width), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      kernels.add(y + row * width, bias, width, y + row * width);
    }
  });
}

void add_bias_backward(Executor& executor, const float* d_y, int64_t row_count, int64_t width, float* d_bias) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  // Each thread owns columns and walks all rows, so that the order of the sums does not depend on the thread count.
  executor.parallel_for(width, parallel_grain(width, row_count, kLineFloats), [&](Range columns) {
    float* sums = d_bias + columns.begin;
    for (int64_t row = 0; row < row_count; ++row) {
      kernels.add(d_y + row * width + columns.begin, sums, columns.end - columns.begin, sums);
    }
  });
}

void scale(Executor& executor, const float* x, float factor, int64_t count, float* y) {
  for_elements(executor, count, 1, [&](const ElementwiseKernels& kernels, Range range) {
    kernels.scale(x + range.begin, factor, range.end - range.begin, y + range.begin);
  });
}

void scale_columns(Executor& executor, const float* x, const float* factors, const float* bias, int64_t row_count,
                   int64_t width, float* y) {
  executor.parallel_for(row_count, parallel_grain(row_count, width), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      for (int64_t i = 0; i < width; ++i) {
        y[row * width + i] = x[row * width + i] * factors[i] + (bias == nullptr ? 0 : bias[i]);
      }
    }
  });
}

void scale_columns_backward(Executor& executor, const float* x, const float* d_y, int64_t row_count, int64_t width,
                            float* d_factors) {
  executor.parallel_for(width, parallel_grain(width, row_count), [&](Range columns) {
    for (int64_t row = 0; row < row_count; ++row) {
      for (int64_t i = columns.begin; i < columns.end; ++i) d_factors[i] += d_y[row * width + i] * x[row * width + i];
    }
  });
}

void dropout(Executor& executor, const float* x, float share, uint64_t seed, int64_t count, float* y) {
  const auto threshold = static_cast<uint32_t>(std::min(static_cast<double>(share) * 0x1p32, 0x1p32 - 1));
  const auto low = static_cast<uint32_t>(seed);
  const auto high = static_cast<uint32_t>(seed >> 32);
  const float kept = 1 / (1 - share);
  executor.parallel_for(count, parallel_grain(count, 8), [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      uint32_t bits = static_cast<uint32_t>(i) * 0x9E3779B1u ^ low;  // murmur3's last steps, around the seed's halves
      bits = (bits ^ (bits >> 16)) * 0x85EBCA6Bu ^ high;
      bits = (bits ^ (bits >> 13)) * 0xC2B2AE35u;
      bits ^= bits >> 16;
      y[i] = bits < threshold ? 0 : x[i] * kept;
    }
  });
}

void soft_cap(Executor& executor, const float* x, float cap, int64_t count, float* y) {
  for_elements(executor, count, kExponentialOperations, [&](const ElementwiseKernels& kernels, Range range) {
    kernels.soft_cap(x + range.begin, cap, range.end - range.begin, y + range.begin);
  });
}

void soft_cap_backward(Executor& executor, const float* y, float cap, const float* d_y, int64_t count, float* d_x) {
  for_elements(executor, count, 4, [&](const ElementwiseKernels& kernels, Range range) {
    kernels.soft_cap_backward(y + range.begin, cap, d_y + range.begin, range.end - range.begin, d_x + range.begin);
  });
}

void gate_here(const GateFunction& f, const float* gate, const float* up, int64_t count, float* y) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  switch (f.f) {
    case Nonlinearity::kSilu:
      return kernels.silu_gate(gate, up, count, y);
    case Nonlinearity::kGelu:
      return kernels.gelu_gate(gate, up, count, y);
    case Nonlinearity::kGeluErf:
      return kernels.gelu_erf_gate(gate, up, count, y);
    case Nonlinearity::kClampedSilu:
      return kernels.clamped_gate(f.bounds, gate, up, count, y);
  }
  PELTON_UNREACHABLE();
}

namespace {

void gate_backward_here(const GateFunction& f, const float* gate, const float* up, const float* d_y, int64_t count,
                        float* d_gate, float* d_up) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  switch (f.f) {
    case Nonlinearity::kSilu:
      return kernels.silu_gate_backward(gate, up, d_y, count, d_gate, d_up);
    case Nonlinearity::kGelu:
      return kernels.gelu_gate_backward(gate, up, d_y, count, d_gate, d_up);
    case Nonlinearity::kGeluErf:
      return kernels.gelu_erf_gate_backward(gate, up, d_y, count, d_gate, d_up);
    case Nonlinearity::kClampedSilu:
      return kernels.clamped_gate_backward(f.bounds, gate, up, d_y, count, d_gate, d_up);
  }
  PELTON_UNREACHABLE();
}

}  // namespace

void gate(Executor& executor, const GateFunction& f, const float* gate, const float* up, int64_t count, float* y) {
  for_elements(executor, count, kExponentialOperations, [&](const ElementwiseKernels&, Range range) {
    gate_here(f, gate + range.begin, up + range.begin, range.end - range.begin, y + range.begin);
  });
}

void gate_backward(Executor& executor, const GateFunction& f, const float* gate, const float* up, const float* d_y,
                   int64_t count, const GateGradients& gradients) {
  for_elements(executor, count, kExponentialOperations, [&](const ElementwiseKernels&, Range range) {
    gate_backward_here(f, gate + range.begin, up + range.begin, d_y + range.begin, range.end - range.begin,
                       gradients.d_gate + range.begin, gradients.d_up + range.begin);
  });
}

void gelu(Executor& executor, Nonlinearity form, const float* x, int64_t count, float* y) {
  for_elements(executor, count, kExponentialOperations, [&](const ElementwiseKernels& kernels, Range range) {
    const auto kernel = form == Nonlinearity::kGelu ? kernels.gelu : kernels.gelu_erf;
    kernel(x + range.begin, range.end - range.begin, y + range.begin);
  });
}

void gelu_backward(Executor& executor, Nonlinearity form, const float* x, const float* d_y, int64_t count, float* d_x) {
  for_elements(executor, count, kExponentialOperations, [&](const ElementwiseKernels& kernels, Range range) {
    const auto kernel = form == Nonlinearity::kGelu ? kernels.gelu_backward : kernels.gelu_erf_backward;
    kernel(x + range.begin, d_y + range.begin, range.end - range.begin, d_x + range.begin);
  });
}

}  // namespace pelton
