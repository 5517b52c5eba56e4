#include "ops/bf16.h"

#include "base/cpu.h"
#include "kernels/decode/decode.h"
#include "kernels/halfdot/halfdot.h"
#include "ops/grain.h"

namespace pelton {

namespace {

constexpr int64_t kGrain = 256;  // whole vectors and cache lines

}  // namespace

void round_to_bf16(Executor& executor, const float* x, int64_t count, uint16_t* rounded) {
  const HalfKernels& kernels = half_kernels(active_isa());
  executor.parallel_for(count, parallel_grain(count, 1, kGrain), [&](Range range) {
    kernels.round(x + range.begin, range.end - range.begin, rounded + range.begin);
  });
}

void widen_bf16(Executor& executor, const uint16_t* rounded, int64_t count, float* x) {
  const DecodeFunction decode = decode_kernel(active_isa(), ElementType::kBF16);
  executor.parallel_for(count, parallel_grain(count, 1, kGrain), [&](Range range) {
    decode(reinterpret_cast<const std::byte*>(rounded + range.begin), x + range.begin, range.end - range.begin);
  });
}

}  // namespace pelton
