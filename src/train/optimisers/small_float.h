// Numbers in eight bits, for what an optimiser remembers: floats of four bits of exponent below a largest value, which
// a scale for each block maps to the block's own largest. Values run over six decades.
//
//   signed:   sign, 4 bits of exponent, 3 of mantissa; rounded to the nearest (within 6 %)
//   unsigned: 4 bits of exponent, 4 of mantissa; rounded up or down by chance, so that a mean that moves by less than a
//             step still moves (Gupta et al. 2015, arXiv 1502.02551); what is not zero stays so
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace pelton {

inline constexpr float kSmallSignedMax = 1.875f;     // 2⁰ · (1 + 7/8)
inline constexpr float kSmallUnsignedMax = 1.9375f;  // 2⁰ · (1 + 15/16)
inline constexpr float kSmallNormalMin = 0x1p-14f;   // below it, steps are even

// |value| at most kSmallSignedMax.
inline uint8_t to_small_signed(float value) {
  constexpr int kDropped = 20;  // bits of float32's mantissa
  const float size = std::min(std::abs(value), kSmallSignedMax);
  const auto normal = ((std::bit_cast<uint32_t>(size) + (1u << (kDropped - 1))) >> kDropped) - (112u << 3);
  const auto even = (static_cast<uint32_t>(size * 0x1p18f) + 1) / 2;  // to the nearest
  const uint32_t code = size < kSmallNormalMin ? even : normal;
  return static_cast<uint8_t>(code | (value < 0 ? 0x80u : 0u));
}

// value: 0 to kSmallUnsignedMax. random: 19 bits.
inline uint8_t to_small_unsigned(float value, uint32_t random) {
  constexpr int kDropped = 19;
  const float size = std::min(value, kSmallUnsignedMax);
  const auto normal = ((std::bit_cast<uint32_t>(size) + random) >> kDropped) - (112u << 4);
  const auto even = static_cast<uint32_t>(size * 0x1p18f + static_cast<float>(random) * 0x1p-19f);
  const uint32_t code = std::min(size < kSmallNormalMin ? even : normal, 255u);
  return static_cast<uint8_t>(std::max(code, value > 0 ? 1u : 0u));
}

// What each code means.
inline const std::array<float, 256>& small_signed_values() {
  static const std::array<float, 256> values = [] {
    std::array<float, 256> made{};
    for (uint32_t code = 0; code < 256; ++code) {
      const uint32_t size = code & 0x7F;
      const float value =
          size < 8 ? static_cast<float>(size) * 0x1p-17f : std::bit_cast<float>((size + (112u << 3)) << 20);
      made[code] = code & 0x80 ? -value : value;
    }
    return made;
  }();
  return values;
}
inline const std::array<float, 256>& small_unsigned_values() {
  static const std::array<float, 256> values = [] {
    std::array<float, 256> made{};
    for (uint32_t code = 0; code < 256; ++code) {
      made[code] = code < 16 ? static_cast<float>(code) * 0x1p-18f : std::bit_cast<float>((code + (112u << 4)) << 19);
    }
    return made;
  }();
  return values;
}

// 19 bits for one number of one step: the same on any number of threads, and after a resume.
inline uint32_t rounding_bits(uint32_t index, uint32_t seed) {
  uint32_t x = index * 0x9E3779B1u ^ seed;  // murmur3's last steps
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return (x ^ (x >> 16)) >> 13;
}

}  // namespace pelton
