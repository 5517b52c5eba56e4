#include <bit>

#include "kernels/probe/probe.h"

namespace pelton {
namespace {

uint64_t read(const std::byte* data, int64_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t mixed = 0;
  for (int64_t i = 0; i < bytes / 8; ++i) mixed ^= words[i];
  return mixed;
}

uint64_t multiply_f32(int64_t iterations) {
  constexpr int kChains = 8;  // hides the latency of multiplication and addition
  float sums[kChains] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int64_t i = 0; i < iterations; ++i) {
    for (float& sum : sums) sum = sum * 0.5f + 1.0f;  // stays within [1, 8]
  }
  uint64_t mixed = 0;
  for (const float sum : sums) mixed += std::bit_cast<uint32_t>(sum);
  return mixed;
}

constexpr PeakProbe kPeaks[] = {{"f32", 8 * 2, multiply_f32}};
constexpr ProbeKernels kKernels = {read, kPeaks};

}  // namespace

const ProbeKernels* probe_kernels_reference() { return &kKernels; }

const ProbeKernels& probe_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *probe_kernels_avx512();
  if (isa == Isa::kAvx2) return *probe_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *probe_kernels_neon();
#endif
  return *probe_kernels_reference();
}

}  // namespace pelton
