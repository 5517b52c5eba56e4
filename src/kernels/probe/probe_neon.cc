#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/probe/probe.h"

namespace pelton {
namespace {

uint64_t fold(uint64x2_t v) { return vgetq_lane_u64(v, 0) ^ vgetq_lane_u64(v, 1); }

uint64_t read(const std::byte* data, int64_t bytes) {
  constexpr int kChains = 8;
  uint64x2_t mixed[kChains];
  for (uint64x2_t& chain : mixed) chain = vdupq_n_u64(0);
  for (int64_t i = 0; i < bytes; i += kChains * 16) {
#pragma GCC unroll 8
    for (int chain = 0; chain < kChains; ++chain) {
      const auto* source = reinterpret_cast<const uint64_t*>(data + i + chain * 16);
      mixed[chain] = veorq_u64(mixed[chain], vld1q_u64(source));
    }
  }
  uint64_t result = 0;
  for (const uint64x2_t& chain : mixed) result ^= fold(chain);
  return result;
}

// Up to four units with a latency of four: sixteen chains keep them busy. Each starts from another value, or the
// compiler would compute them once.
constexpr int kPeakChains = 16;
constexpr int kPeakUnroll = 4;
constexpr int64_t kPeakInstructions = int64_t{kPeakChains} * kPeakUnroll;

uint64_t multiply_f32(int64_t iterations) {
  float32x4_t sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vdupq_n_f32(static_cast<float>(chain));
  const float32x4_t half = vdupq_n_f32(0.5f);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vfmaq_f32(sums[chain], half, half);
  }
  uint64_t mixed = 0;
  for (const float32x4_t& sum : sums) mixed += vgetq_lane_u64(vreinterpretq_u64_f32(sum), 0);
  return mixed;
}

uint64_t multiply_int8(int64_t iterations) {
  int32x4_t sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vdupq_n_s32(chain);
  const int8x16_t factor = vdupq_n_s8(3);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vdotq_s32(sums[chain], factor, factor);
  }
  uint64_t mixed = 0;
  for (const int32x4_t& sum : sums) mixed += vgetq_lane_u64(vreinterpretq_u64_s32(sum), 0);
  return mixed;
}

constexpr PeakProbe kPeaks[] = {{"f32", kPeakInstructions * 4 * 2, multiply_f32},
                                {"int8", kPeakInstructions * 16 * 2, multiply_int8}};
constexpr ProbeKernels kKernels = {read, kPeaks};

}  // namespace

const ProbeKernels* probe_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
