#include "ops/elementwise.h"

#include "kernels/elementwise/elementwise.h"
#include "ops/grain.h"

namespace pelton {
namespace {

constexpr int64_t kGrain = 256;         // whole vectors and cache lines
constexpr int64_t kSiluOperations = 8;  // an exponential and a division, against one sum

}  // namespace

void add(Executor& executor, const float* a, const float* b, int64_t count, float* y) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  executor.parallel_for(count, parallel_grain(count, 1, kGrain), [&](Range range) {
    kernels.add(a + range.begin, b + range.begin, range.end - range.begin, y + range.begin);
  });
}

void accumulate(Executor& executor, const float* a, int64_t count, float* y) { add(executor, a, y, count, y); }

void silu_gate(Executor& executor, const float* gate, const float* up, int64_t count, float* y) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  executor.parallel_for(count, parallel_grain(count, kSiluOperations, kGrain), [&](Range range) {
    kernels.silu_gate(gate + range.begin, up + range.begin, range.end - range.begin, y + range.begin);
  });
}

void silu_gate_backward(Executor& executor, const float* gate, const float* up, const float* d_y, int64_t count,
                        const SiluGateGradients& gradients) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  executor.parallel_for(count, parallel_grain(count, kSiluOperations, kGrain), [&](Range range) {
    kernels.silu_gate_backward(gate + range.begin, up + range.begin, d_y + range.begin, range.end - range.begin,
                               gradients.d_gate + range.begin, gradients.d_up + range.begin);
  });
}

}  // namespace pelton
