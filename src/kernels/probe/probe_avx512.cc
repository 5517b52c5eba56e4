#if defined(__x86_64__)
// GCC 12 takes its own _mm512_undefined_epi32() for an uninitialised read (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include "kernels/probe/probe.h"

namespace pelton {
namespace {

uint64_t fold(__m512i v) {
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, v);
  uint64_t mixed = 0;
  for (const uint64_t word : words) mixed ^= word;
  return mixed;
}

uint64_t read(const std::byte* data, int64_t bytes) {
  constexpr int kChains = 8;
  __m512i mixed[kChains];
  for (__m512i& chain : mixed) chain = _mm512_setzero_si512();
  for (int64_t i = 0; i < bytes; i += kChains * 64) {
#pragma GCC unroll 8
    for (int chain = 0; chain < kChains; ++chain) {
      mixed[chain] = _mm512_xor_si512(mixed[chain], _mm512_load_si512(data + i + chain * 64));
    }
  }
  uint64_t result = 0;
  for (const __m512i& chain : mixed) result ^= fold(chain);
  return result;
}

// Two units with a latency of four or five: twelve chains keep both busy. Each starts from another value, or the
// compiler would compute them once; a barrier (`asm`) instead would send them through memory, at half the speed.
constexpr int kPeakChains = 12;
constexpr int kPeakUnroll = 4;
constexpr int64_t kPeakInstructions = int64_t{kPeakChains} * kPeakUnroll;

uint64_t low_word(__m512i v) { return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(v))); }

uint64_t multiply_f32(int64_t iterations) {
  __m512 sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm512_set1_ps(static_cast<float>(chain));
  const __m512 half = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kPeakChains; ++chain) {
      sums[chain] = _mm512_fmadd_ps(sums[chain], half, half);
    }
  }
  uint64_t mixed = 0;
  for (const __m512& sum : sums) mixed += low_word(_mm512_castps_si512(sum));
  return mixed;
}

uint64_t multiply_bf16(int64_t iterations) {
  __m512 sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm512_set1_ps(static_cast<float>(chain));
  const __m512bh factor = (__m512bh)_mm512_set1_epi16(0x3F00);  // 0.5
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kPeakChains; ++chain) {
      sums[chain] = _mm512_dpbf16_ps(sums[chain], factor, factor);
    }
  }
  uint64_t mixed = 0;
  for (const __m512& sum : sums) mixed += low_word(_mm512_castps_si512(sum));
  return mixed;
}

uint64_t multiply_int8(int64_t iterations) {
  __m512i sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm512_set1_epi32(chain);
  const __m512i factor = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < iterations * kPeakUnroll; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kPeakChains; ++chain) {
      sums[chain] = _mm512_dpbusd_epi32(sums[chain], factor, factor);
    }
  }
  uint64_t mixed = 0;
  for (const __m512i& sum : sums) mixed += low_word(sum);
  return mixed;
}

constexpr PeakProbe kPeaks[] = {{"f32", kPeakInstructions * 16 * 2, multiply_f32},
                                {"bf16", kPeakInstructions * 32 * 2, multiply_bf16},
                                {"int8", kPeakInstructions * 64 * 2, multiply_int8}};
constexpr ProbeKernels kKernels = {read, kPeaks};

}  // namespace

const ProbeKernels* probe_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
