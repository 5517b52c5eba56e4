// 16 codes of a byte each, cut out of packed blocks: what decode_body.h needs beside Vec.
#pragma once

#include <cstddef>

#include "kernels/vec.h"

namespace pelton {
namespace {

#if defined(__x86_64__)

using Codes = __m128i;

inline Codes load16(const std::byte* source) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source)); }
inline Codes splat_code(int value) { return _mm_set1_epi8(static_cast<char>(value)); }
inline Codes both(Codes a, Codes b) { return _mm_or_si128(a, b); }
inline Codes less(Codes a, int value) { return _mm_sub_epi8(a, splat_code(value)); }
inline Codes low_nibbles(Codes bytes) { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }
inline Codes high_nibbles(Codes bytes) { return low_nibbles(_mm_srli_epi16(bytes, 4)); }
// Of each byte the bits of `mask` (at most 15) from bit `shift` on, as bits 4 and up.
inline Codes high_bits(Codes bytes, int shift, int mask) {
  return _mm_slli_epi16(_mm_and_si128(_mm_srli_epi16(bytes, shift), splat_code(mask)), 4);
}
// Bit i of the two bytes as bit 4 of byte i.
inline Codes load_fifth_bits(const std::byte* source) {
  uint16_t bits;
  __builtin_memcpy(&bits, source, sizeof(bits));
  const __m128i of_byte = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  const __m128i index = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(bits), index);
  return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(spread, of_byte), of_byte), _mm_set1_epi8(16));
}
// The first 8 codes from two numbers, the lowest byte first; zeros behind them.
inline Codes codes_of(uint32_t first_four, uint32_t next_four) {
  return _mm_setr_epi32(static_cast<int>(first_four), static_cast<int>(next_four), 0, 0);
}

inline float load_f16(const std::byte* source) {
  uint16_t bits;
  __builtin_memcpy(&bits, source, sizeof(bits));
  return _cvtsh_ss(bits);
}

// Writes finish(v) for the 16 signed codes in vectors v of floats.
template <typename Finish>
inline void store16(float* values, Codes codes, Finish finish) {
#if defined(__AVX512F__)
  store(values, finish(Vec{_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes))}));
#else
  store(values, finish(Vec{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))}));
  store(values + 8, finish(Vec{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(codes, 8)))}));
#endif
}

// A vector of F16.
inline Vec load_f16_vec(const std::byte* source) {
#if defined(__AVX512F__)
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)))};
#else
  return {_mm256_cvtph_ps(load16(source))};
#endif
}

#elif defined(__aarch64__)

using Codes = uint8x16_t;

inline Codes load16(const std::byte* source) { return vld1q_u8(reinterpret_cast<const uint8_t*>(source)); }
inline Codes splat_code(int value) { return vdupq_n_u8(static_cast<uint8_t>(value)); }
inline Codes both(Codes a, Codes b) { return vorrq_u8(a, b); }
inline Codes less(Codes a, int value) { return vsubq_u8(a, splat_code(value)); }
inline Codes low_nibbles(Codes bytes) { return vandq_u8(bytes, vdupq_n_u8(15)); }
inline Codes high_nibbles(Codes bytes) { return vshrq_n_u8(bytes, 4); }
inline Codes high_bits(Codes bytes, int shift, int mask) {
  const Codes shifted = vshlq_u8(bytes, vdupq_n_s8(static_cast<int8_t>(-shift)));
  return vshlq_n_u8(vandq_u8(shifted, splat_code(mask)), 4);
}
inline Codes load_fifth_bits(const std::byte* source) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(source);
  constexpr uint8_t kOfByte[] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const Codes spread = vcombine_u8(vdup_n_u8(bytes[0]), vdup_n_u8(bytes[1]));
  return vandq_u8(vtstq_u8(spread, vld1q_u8(kOfByte)), vdupq_n_u8(16));
}
inline Codes codes_of(uint32_t first_four, uint32_t next_four) {
  return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(uint64_t{next_four} << 32 | first_four), vdup_n_u64(0)));
}

inline float load_f16(const std::byte* source) {
  __fp16 value;
  __builtin_memcpy(&value, source, sizeof(value));
  return value;
}

template <typename Finish>
inline void store16(float* values, Codes codes, Finish finish) {
  const int8x16_t integers = vreinterpretq_s8_u8(codes);
  const int16x8_t halves[] = {vmovl_s8(vget_low_s8(integers)), vmovl_high_s8(integers)};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    store(values + 8 * half, finish(Vec{vcvtq_f32_s32(vmovl_s16(vget_low_s16(halves[half])))}));
    store(values + 8 * half + 4, finish(Vec{vcvtq_f32_s32(vmovl_high_s16(halves[half]))}));
  }
}

inline Vec load_f16_vec(const std::byte* source) {
  return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(source))))};
}

#endif

}  // namespace
}  // namespace pelton
