// The vector that SIMD bodies are written against: 16 floats with AVX-512, 8 with AVX2, 4 with NEON. Included only by
// *_avx2.cc, *_avx512.cc and *_neon.cc (through a family's body), once each. Everything is in an anonymous namespace:
// an ISA object must export one symbol only, or the linker may keep the AVX-512 copy of a shared function for every
// machine.
#pragma once

#if defined(__x86_64__)
// GCC 12 takes its own _mm512_undefined_ps() for an uninitialised read (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cstdint>

namespace pelton {
namespace {

#if defined(__AVX512F__)

struct Vec {
  static constexpr int64_t kWidth = 16;
  __m512 raw;
};
using Mask = __mmask16;

inline Vec splat(float value) { return {_mm512_set1_ps(value)}; }
inline Vec load(const float* source) { return {_mm512_loadu_ps(source)}; }
inline void store(float* target, Vec v) { _mm512_storeu_ps(target, v.raw); }
// The first `count` lanes (0 <= count < kWidth); the others are zero, their memory is not touched.
inline Vec load_first(const float* source, int64_t count) {
  return {_mm512_maskz_loadu_ps(static_cast<Mask>((1u << count) - 1), source)};
}
inline void store_first(float* target, Vec v, int64_t count) {
  _mm512_mask_storeu_ps(target, static_cast<Mask>((1u << count) - 1), v.raw);
}

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.raw, b.raw)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.raw, b.raw)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.raw, b.raw)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.raw, b.raw)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.raw, b.raw, c.raw)}; }           // a b + c
inline Vec fma_negated(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.raw, b.raw, c.raw)}; }  // c - a b
// Either lane NaN: b.
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.raw, b.raw)}; }
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.raw, b.raw)}; }
inline Vec round(Vec a) { return {_mm512_roundscale_ps(a.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// a · 2^n, n integral, in [-160, 160]; overflows and underflows as IEEE 754 says.
inline Vec scale_by_power(Vec a, Vec n) { return {_mm512_scalef_ps(a.raw, n.raw)}; }
inline float reduce_sum(Vec a) { return _mm512_reduce_add_ps(a.raw); }
inline float reduce_max(Vec a) { return _mm512_reduce_max_ps(a.raw); }
// Lanes from `count` on (any integer) are replaced by `other`.
inline Vec keep_first(Vec a, int64_t count, Vec other) {
  const Mask mask = count >= 16 ? 0xFFFF : count <= 0 ? 0 : static_cast<Mask>((1u << count) - 1);
  return {_mm512_mask_blend_ps(mask, other.raw, a.raw)};
}
// Pairs of neighbours swap places: [1, 0, 3, 2, …].
inline Vec swap_neighbours(Vec a) { return {_mm512_permute_ps(a.raw, 0xB1)}; }
// Every lane twice, for the lower half of the lanes of `source`: [0, 0, 1, 1, …].
inline Vec load_doubled(const float* source) {
  const __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return {_mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(source)))};
}
// a b - c in even lanes, a b + c in odd ones.
inline Vec fma_alternating(Vec a, Vec b, Vec c) { return {_mm512_fmaddsub_ps(a.raw, b.raw, c.raw)}; }
inline Vec fma_alternating_negated(Vec a, Vec b, Vec c) { return {_mm512_fmsubadd_ps(a.raw, b.raw, c.raw)}; }

// BF16 bits.
inline Vec load(const uint16_t* source) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline Vec load_first(const uint16_t* source, int64_t count) {
  const __m256i bits = _mm256_maskz_loadu_epi16(static_cast<Mask>((1u << count) - 1), source);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}

#elif defined(__AVX2__)

struct Vec {
  static constexpr int64_t kWidth = 8;
  __m256 raw;
};

inline __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count < 0   ? 0
                                                               : count > 8 ? 8
                                                                           : count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec splat(float value) { return {_mm256_set1_ps(value)}; }
inline Vec load(const float* source) { return {_mm256_loadu_ps(source)}; }
inline void store(float* target, Vec v) { _mm256_storeu_ps(target, v.raw); }
inline Vec load_first(const float* source, int64_t count) { return {_mm256_maskload_ps(source, first_lanes(count))}; }
inline void store_first(float* target, Vec v, int64_t count) { _mm256_maskstore_ps(target, first_lanes(count), v.raw); }

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.raw, b.raw)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.raw, b.raw)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.raw, b.raw)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.raw, b.raw)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.raw, b.raw, c.raw)}; }
inline Vec fma_negated(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.raw, b.raw, c.raw)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.raw, b.raw)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.raw, b.raw)}; }
inline Vec round(Vec a) { return {_mm256_round_ps(a.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline Vec scale_by_power(Vec a, Vec n) {
  // In two steps, each of which a normal float can hold, so that results below 2^-126 come out subnormal.
  const __m256i power = _mm256_cvtps_epi32(n.raw);
  const __m256i half = _mm256_srai_epi32(power, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256 low = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const __m256 high = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(power, half), bias), 23));
  return {_mm256_mul_ps(_mm256_mul_ps(a.raw, low), high)};
}
inline float reduce_sum(Vec a) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(a.raw), _mm256_extractf128_ps(a.raw, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
inline float reduce_max(Vec a) {
  __m128 largest = _mm_max_ps(_mm256_castps256_ps128(a.raw), _mm256_extractf128_ps(a.raw, 1));
  largest = _mm_max_ps(largest, _mm_movehl_ps(largest, largest));
  return _mm_cvtss_f32(_mm_max_ss(largest, _mm_movehdup_ps(largest)));
}
inline Vec keep_first(Vec a, int64_t count, Vec other) {
  return {_mm256_blendv_ps(other.raw, a.raw, _mm256_castsi256_ps(first_lanes(count)))};
}
inline Vec swap_neighbours(Vec a) { return {_mm256_permute_ps(a.raw, 0xB1)}; }
inline Vec load_doubled(const float* source) {
  const __m256i index = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  return {_mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(source)), index)};
}
inline Vec fma_alternating(Vec a, Vec b, Vec c) { return {_mm256_fmaddsub_ps(a.raw, b.raw, c.raw)}; }
inline Vec fma_alternating_negated(Vec a, Vec b, Vec c) { return {_mm256_fmsubadd_ps(a.raw, b.raw, c.raw)}; }

inline Vec load(const uint16_t* source) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
}
inline Vec load_first(const uint16_t* source, int64_t count) {
  uint16_t bits[Vec::kWidth] = {};
  for (int64_t i = 0; i < count; ++i) bits[i] = source[i];
  return load(bits);
}

#elif defined(__aarch64__)

struct Vec {
  static constexpr int64_t kWidth = 4;
  float32x4_t raw;
};

inline uint32x4_t first_lanes(int64_t count) {
  constexpr int32_t kLanes[] = {0, 1, 2, 3};
  return vcgtq_s32(vdupq_n_s32(static_cast<int32_t>(count < 0 ? 0 : count > 4 ? 4 : count)), vld1q_s32(kLanes));
}

inline Vec splat(float value) { return {vdupq_n_f32(value)}; }
inline Vec load(const float* source) { return {vld1q_f32(source)}; }
inline void store(float* target, Vec v) { vst1q_f32(target, v.raw); }
// There is no masked access: lane by lane.
inline Vec load_first(const float* source, int64_t count) {
  float32x4_t v = vdupq_n_f32(0);
  if (count > 0) v = vld1q_lane_f32(source, v, 0);
  if (count > 1) v = vld1q_lane_f32(source + 1, v, 1);
  if (count > 2) v = vld1q_lane_f32(source + 2, v, 2);
  return {v};
}
inline void store_first(float* target, Vec v, int64_t count) {
  if (count > 0) vst1q_lane_f32(target, v.raw, 0);
  if (count > 1) vst1q_lane_f32(target + 1, v.raw, 1);
  if (count > 2) vst1q_lane_f32(target + 2, v.raw, 2);
}

inline Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.raw, b.raw)}; }
inline Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.raw, b.raw)}; }
inline Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.raw, b.raw)}; }
inline Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.raw, b.raw)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.raw, a.raw, b.raw)}; }
inline Vec fma_negated(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.raw, a.raw, b.raw)}; }
// Not vmaxq_f32: that gives NaN where only a is one.
inline Vec max(Vec a, Vec b) { return {vbslq_f32(vcgtq_f32(a.raw, b.raw), a.raw, b.raw)}; }
inline Vec min(Vec a, Vec b) { return {vbslq_f32(vcltq_f32(a.raw, b.raw), a.raw, b.raw)}; }
inline Vec round(Vec a) { return {vrndnq_f32(a.raw)}; }
inline Vec scale_by_power(Vec a, Vec n) {
  // In two steps, as with AVX2.
  const int32x4_t power = vcvtnq_s32_f32(n.raw);
  const int32x4_t half = vshrq_n_s32(power, 1);
  const int32x4_t bias = vdupq_n_s32(127);
  const float32x4_t low = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
  const float32x4_t high = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(power, half), bias), 23));
  return {vmulq_f32(vmulq_f32(a.raw, low), high)};
}
inline float reduce_sum(Vec a) { return vaddvq_f32(a.raw); }
inline float reduce_max(Vec a) { return vmaxvq_f32(a.raw); }
inline Vec keep_first(Vec a, int64_t count, Vec other) { return {vbslq_f32(first_lanes(count), a.raw, other.raw)}; }
inline Vec swap_neighbours(Vec a) { return {vrev64q_f32(a.raw)}; }
inline Vec load_doubled(const float* source) {
  const float32x2_t two = vld1_f32(source);
  return {vcombine_f32(vdup_lane_f32(two, 0), vdup_lane_f32(two, 1))};
}
// Other signs for lane 0 and 2, or 1 and 3.
inline Vec negate_lanes(Vec a, uint64_t signs) {
  return {vreinterpretq_f32_u64(veorq_u64(vreinterpretq_u64_f32(a.raw), vdupq_n_u64(signs)))};
}
inline Vec fma_alternating(Vec a, Vec b, Vec c) { return fma(a, b, negate_lanes(c, 0x0000000080000000)); }
inline Vec fma_alternating_negated(Vec a, Vec b, Vec c) { return fma(a, b, negate_lanes(c, 0x8000000000000000)); }

inline Vec load(const uint16_t* source) { return {vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(source), 16))}; }
inline Vec load_first(const uint16_t* source, int64_t count) {
  uint16x4_t v = vdup_n_u16(0);
  if (count > 0) v = vld1_lane_u16(source, v, 0);
  if (count > 1) v = vld1_lane_u16(source + 1, v, 1);
  if (count > 2) v = vld1_lane_u16(source + 2, v, 2);
  return {vreinterpretq_f32_u32(vshll_n_u16(v, 16))};
}

#endif

inline Vec operator-(Vec a) { return splat(0.0f) - a; }

// Asks for the cache line at `address`, which need not be readable.
inline void prefetch_line(const void* address) { __builtin_prefetch(address); }

// e^x = 2^n (1 + r · slope), where x = n ln 2 + r with |r| <= ln 2 / 2. The Taylor series of e^r to r^7 is off by at
// most 0.347^8 / 8! = 5e-9 of it.
struct ExpParts {
  Vec n;
  Vec r;
  Vec slope;  // (e^r - 1) / r
};
inline ExpParts exp_parts(Vec x) {
  const Vec n = round(x * splat(0x1.715476p+0f));    // log2 e
  Vec r = fma_negated(n, splat(0x1.62e400p-1f), x);  // ln 2 in 15 bits: n times it is exact
  r = fma_negated(n, splat(0x1.7f7d1cp-20f), r);     // the rest of ln 2
  Vec sum = splat(1.0f / 5040);
  sum = fma(sum, r, splat(1.0f / 720));
  sum = fma(sum, r, splat(1.0f / 120));
  sum = fma(sum, r, splat(1.0f / 24));
  sum = fma(sum, r, splat(1.0f / 6));
  sum = fma(sum, r, splat(0.5f));
  sum = fma(sum, r, splat(1.0f));
  return {n, r, sum};
}

// e^x within 2 ulp over the whole range, subnormal results and infinities included; NaN stays NaN.
inline Vec exp(Vec x) {
  // Beyond these the result is 0 or infinity anyway. x stands second: a NaN passes.
  const ExpParts parts = exp_parts(min(splat(89.0f), max(splat(-105.0f), x)));
  return scale_by_power(fma(parts.slope, parts.r, splat(1.0f)), parts.n);
}

// tanh x within 4 ulp, for small x too (where 1 - 2 / (e^2x + 1) would lose digits); NaN stays NaN, -0 becomes 0.
// tanh x = m / (m + 2), where m = e^2x - 1 = 2^n · r · slope + (2^n - 1).
inline Vec tanh(Vec x) {
  // Beyond these the result is ±1 in float anyway.
  const Vec bounded = min(splat(10.0f), max(splat(-10.0f), x));
  const ExpParts parts = exp_parts(bounded + bounded);
  const Vec power = scale_by_power(splat(1.0f), parts.n);
  const Vec m = fma(power, parts.slope * parts.r, power - splat(1.0f));
  return m / (m + splat(2.0f));
}

// Calls body(i, load, store) for each vector of [0, count): the last, partial one with masked memory access.
//   load(p) reads p[i …], store(p, v) writes p[i …].
template <typename Body>
inline void for_each_vec(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
    body([i](const float* p) { return load(p + i); }, [i](float* p, Vec v) { store(p + i, v); });
  }
  const int64_t rest = count - i;
  if (rest > 0) {
    body([i, rest](const float* p) { return load_first(p + i, rest); },
         [i, rest](float* p, Vec v) { store_first(p + i, v, rest); });
  }
}

}  // namespace
}  // namespace pelton
