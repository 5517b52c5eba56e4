#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/probe/probe.h"

namespace pelton {
namespace {

uint64_t fold(__m256i v) {
  const __m128i half = _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(half)) ^ static_cast<uint64_t>(_mm_extract_epi64(half, 1));
}

uint64_t read(const std::byte* data, int64_t bytes) {
  constexpr int kChains = 8;
  __m256i mixed[kChains] = {};
  for (int64_t i = 0; i < bytes; i += kChains * 32) {
#pragma GCC unroll 8
    for (int chain = 0; chain < kChains; ++chain) {
      const auto* source = reinterpret_cast<const __m256i*>(data + i + chain * 32);
      mixed[chain] = _mm256_xor_si256(mixed[chain], _mm256_load_si256(source));
    }
  }
  uint64_t result = 0;
  for (const __m256i& chain : mixed) result ^= fold(chain);
  return result;
}

// Two units with a latency of four or five: ten chains keep both busy. Each starts from another value, or the
// compiler would compute them once; a barrier (`asm`) instead would send them through memory, at half the speed.
constexpr int kPeakChains = 10;
constexpr int kPeakUnroll = 4;
constexpr int64_t kPeakInstructions = int64_t{kPeakChains} * kPeakUnroll;

uint64_t low_word(__m256i v) { return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm256_castsi256_si128(v))); }

uint64_t multiply_f32(int64_t iterations) {
  __m256 sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm256_set1_ps(static_cast<float>(chain));
  const __m256 half = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 10
    for (int chain = 0; chain < kPeakChains; ++chain) {
      sums[chain] = _mm256_fmadd_ps(sums[chain], half, half);
    }
  }
  uint64_t mixed = 0;
  for (const __m256& sum : sums) mixed += low_word(_mm256_castps_si256(sum));
  return mixed;
}

// Without VNNI an INT8 product takes three instructions, as in qdot's kernels.
uint64_t multiply_int8(int64_t iterations) {
  __m256i sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm256_set1_epi32(chain);
  __m256i factor = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 10
    for (int chain = 0; chain < kPeakChains; ++chain) {
      __asm__ volatile("" : "+x"(factor));  // else the product would be computed once
      sums[chain] = _mm256_add_epi32(sums[chain], _mm256_madd_epi16(_mm256_maddubs_epi16(factor, factor), ones));
    }
  }
  uint64_t mixed = 0;
  for (const __m256i& sum : sums) mixed += low_word(sum);
  return mixed;
}

constexpr PeakProbe kPeaks[] = {{"f32", kPeakInstructions * 8 * 2, multiply_f32},
                                {"int8", kPeakInstructions * 32 * 2, multiply_int8}};
constexpr ProbeKernels kKernels = {read, kPeaks};

}  // namespace

const ProbeKernels* probe_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
