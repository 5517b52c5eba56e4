#include "quant/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pelton {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct FloatFormat {
  int significand_bits;  // with the leading one
  int exponent_min;      // of the smallest normal number
  double largest;
};
constexpr FloatFormat kF16{.significand_bits = 11, .exponent_min = -14, .largest = 65504.0};
constexpr FloatFormat kBF16{.significand_bits = 8, .exponent_min = -126, .largest = 0x1.FEp127};

// From the definition: the nearest multiple of the spacing at that magnitude, ties to even; past the largest, infinity.
float rounded(float value, const FloatFormat& format) {
  if (value == 0.0f || std::isinf(value)) return value;
  const int exponent = std::max(std::ilogb(value), format.exponent_min);
  const double spacing = std::ldexp(1.0, exponent - format.significand_bits + 1);
  const double nearest = std::nearbyint(value / spacing) * spacing;
  return std::abs(nearest) > format.largest ? std::copysign(kInfinity, value) : static_cast<float>(nearest);
}

void expect_rounds(float value) {
  const float f16 = f32_from_f16(f16_from_f32(value));
  EXPECT_EQ(std::bit_cast<uint32_t>(f16), std::bit_cast<uint32_t>(rounded(value, kF16))) << std::hexfloat << value;
  const float bf16 = f32_from_bf16(bf16_from_f32(value));
  EXPECT_EQ(std::bit_cast<uint32_t>(bf16), std::bit_cast<uint32_t>(rounded(value, kBF16))) << std::hexfloat << value;
}

TEST(Half, EveryF16MeansSignExponentFraction) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f32_from_f16(static_cast<uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const int fraction = static_cast<int>(bits & 1023);
    EXPECT_EQ(std::signbit(value), bits >= 0x8000);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
    } else if (exponent == 0) {
      EXPECT_EQ(std::abs(value), std::ldexp(static_cast<float>(fraction), -24));
    } else {
      EXPECT_EQ(std::abs(value), std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
    }
  }
}

TEST(Half, EveryF16AndBF16ComesBack) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    if (const float value = f32_from_f16(bits); std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f32_from_f16(f16_from_f32(value)))) << bits;
    } else {
      EXPECT_EQ(f16_from_f32(value), bits);
    }
    if (const float value = f32_from_bf16(bits); std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(value)))) << bits;
    } else {
      EXPECT_EQ(bf16_from_f32(value), bits);
    }
  }
}

// Around each boundary between two neighbours: the place where rounding goes wrong first.
TEST(Half, TiesGoToEven) {
  for (uint16_t bits = 0; bits < 0x7C00; ++bits) {
    const float low = f32_from_f16(bits);
    const float high = bits == 0x7BFF ? 65536.0f : f32_from_f16(static_cast<uint16_t>(bits + 1));
    const float middle = (low + high) / 2.0f;  // exact: F32 has 13 more bits
    for (const float value : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, kInfinity)}) {
      expect_rounds(value);
      expect_rounds(-value);
    }
  }
}

TEST(Half, RoundsLikeTheDefinition) {
  constexpr uint32_t kStride = 4099;  // a prime: about a million patterns of all exponents and both signs
  for (uint64_t bits = 0; bits <= 0xFFFFFFFFu; bits += kStride) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isnan(value)) expect_rounds(value);
  }
  for (const float value :
       {0.0f, -0.0f, kInfinity, -kInfinity, 65504.0f, 65519.996f, 65520.0f, 0x1p-24f, 0x1p-25f, 0x1.000002p-25f,
        std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()}) {
    expect_rounds(value);
  }
}

TEST(Half, NanKeepsItsSignAndStaysNan) {
  // The first one has its only payload bits where both formats cut them off.
  for (const uint32_t bits : {0x7F800001u, 0xFF800001u, 0x7FC00000u, 0xFFFFFFFFu}) {
    const auto nan = std::bit_cast<float>(bits);
    const float f16 = f32_from_f16(f16_from_f32(nan));
    const float bf16 = f32_from_bf16(bf16_from_f32(nan));
    EXPECT_TRUE(std::isnan(f16) && std::isnan(bf16)) << bits;
    EXPECT_EQ(std::signbit(f16), std::signbit(nan)) << bits;
    EXPECT_EQ(std::signbit(bf16), std::signbit(nan)) << bits;
  }
}

}  // namespace
}  // namespace pelton
