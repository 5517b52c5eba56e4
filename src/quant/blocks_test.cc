#include "quant/blocks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/rng.h"

namespace pelton {
namespace {

using Bytes = std::vector<std::byte>;
using Values = std::vector<float>;

Bytes golden_bytes(const std::string& name) {
  const std::string text = read_file(std::string(kGoldenDir) + "/quant/" + name, 1 << 20);
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

Values golden_values(const std::string& name) {
  const Bytes bytes = golden_bytes(name);
  Values values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Bytes encode(ElementType type, const Values& values) {
  const auto count = static_cast<int64_t>(values.size());
  Bytes blocks(static_cast<size_t>(bytes_of(type, count)));
  encode_function(type)(values.data(), blocks.data(), count);
  return blocks;
}

Values decode(ElementType type, const Bytes& blocks) {
  const ElementTypeInfo& row = info(type);
  Values values(blocks.size() / static_cast<size_t>(row.block_bytes) * static_cast<size_t>(row.block_elements));
  decode_function(type)(blocks.data(), values.data(), static_cast<int64_t>(values.size()));
  return values;
}

Values normal_values(size_t count, float spread, float mean, uint64_t seed) {
  Rng rng(seed);
  Values values(count);
  for (float& value : values) {  // Box and Muller
    const double radius = std::sqrt(-2.0 * std::log(1.0 - rng.next_double()));
    value = mean + spread * static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * rng.next_double()));
  }
  return values;
}

double root_mean_square_error(const Values& expected, const Values& got) {
  double sum = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) sum += std::pow(static_cast<double>(expected[i]) - got[i], 2);
  return std::sqrt(sum / static_cast<double>(expected.size()));
}

double round_trip_error(ElementType type, const Values& values) {
  return root_mean_square_error(values, decode(type, encode(type, values)));
}

std::string type_name(const testing::TestParamInfo<ElementType>& parameter) {
  return std::string(element_type_name(parameter.param));
}

const auto kSimpleBlocks =
    testing::Values(ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0);
const auto kAllBlocks = testing::Values(ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1,
                                        ElementType::kQ8_0, ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K);
const auto kReadOnlyBlocks = testing::Values(ElementType::kQ2_K, ElementType::kQ3_K, ElementType::kIQ4_NL,
                                             ElementType::kIQ4_XS, ElementType::kMXFP4, ElementType::kTQ2_0);
const auto kAllFormats = testing::Values(ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kQ4_0,
                                         ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0,
                                         ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K);

// --- against the Python package gguf (tests/golden/quant/make_quant.py) ---

class GoldenDecode : public testing::TestWithParam<ElementType> {};
INSTANTIATE_TEST_SUITE_P(Quant, GoldenDecode, kAllBlocks, type_name);
INSTANTIATE_TEST_SUITE_P(ReadOnly, GoldenDecode, kReadOnlyBlocks, type_name);

// Bit for bit, whatever the order of operations: products of an 11-bit scale, a sub-scale of at most 7 bits and a code
// of at most 7 fit in 24 bits (8-bit Q6_K sub-scales go with 5-bit codes), so at most the last addition rounds.
TEST_P(GoldenDecode, IsExact) {
  const std::string name(element_type_name(GetParam()));
  const Values got = decode(GetParam(), golden_bytes(name + ".blocks"));
  const Values expected = golden_values(name + ".values");
  ASSERT_EQ(got.size(), expected.size());
  ASSERT_GE(got.size(), 1536u);
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(expected[i])) << name << " element " << i;
  }
}

class GoldenEncode : public testing::TestWithParam<ElementType> {};
INSTANTIATE_TEST_SUITE_P(Quant, GoldenEncode,
                         testing::Values(ElementType::kF16, ElementType::kBF16, ElementType::kQ4_0, ElementType::kQ4_1,
                                         ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0),
                         type_name);

TEST_P(GoldenEncode, IsTheSameByteForByte) {
  const std::string name(element_type_name(GetParam()));
  const Bytes got = encode(GetParam(), golden_values("input.values"));
  const Bytes expected = golden_bytes(name + ".encoded");
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i], expected[i]) << name << " block " << i / static_cast<size_t>(info(GetParam()).block_bytes)
                                   << " byte " << i % static_cast<size_t>(info(GetParam()).block_bytes);
  }
}

// --- every format ---

class Format : public testing::TestWithParam<ElementType> {};
INSTANTIATE_TEST_SUITE_P(Quant, Format, kAllFormats, type_name);

TEST_P(Format, ZerosStayZero) {
  for (const float zero : {0.0f, -0.0f}) {
    for (const float value : decode(GetParam(), encode(GetParam(), Values(512, zero)))) ASSERT_EQ(value, 0.0f);
  }
}

TEST_P(Format, UnalignedBlocksAreRead) {
  const Bytes blocks = encode(GetParam(), normal_values(512, 0.1f, 0.0f, 3));
  Bytes shifted(blocks.size() + 1);
  std::copy(blocks.begin(), blocks.end(), shifted.begin() + 1);
  Values values(512);
  decode_function(GetParam())(shifted.data() + 1, values.data(), 512);
  EXPECT_EQ(values, decode(GetParam(), blocks));

  Bytes encoded(blocks.size() + 1);
  encode_function(GetParam())(normal_values(512, 0.1f, 0.0f, 3).data(), encoded.data() + 1, 512);
  EXPECT_TRUE(std::equal(blocks.begin(), blocks.end(), encoded.begin() + 1));
}

TEST_P(Format, BlocksDoNotTouchTheirNeighbours) {
  const Values values = normal_values(1024, 0.1f, 0.0f, 4);
  const Values whole = decode(GetParam(), encode(GetParam(), values));
  for (size_t start = 0; start < values.size(); start += 256) {
    const auto at = values.begin() + static_cast<ptrdiff_t>(start);
    const Values part = decode(GetParam(), encode(GetParam(), Values(at, at + 256)));
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(start)));
  }
}

class BlockFormat : public testing::TestWithParam<ElementType> {};
INSTANTIATE_TEST_SUITE_P(Quant, BlockFormat, kAllBlocks, type_name);

TEST_P(BlockFormat, NothingFiniteDecodesToInfinityOrNan) {
  for (const float magnitude : {1e5f, 1e20f, 3.4e38f}) {
    Values values = normal_values(512, 1.0f, 0.0f, 5);
    for (size_t i = 0; i < 512; i += 3) values[i] = i % 2 == 0 ? magnitude : -magnitude;
    for (const float value : decode(GetParam(), encode(GetParam(), values))) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_P(Format, TinyValuesBecomeTinyValues) {
  for (const float magnitude : {1e-7f, 1e-20f, 1e-38f, 1e-45f}) {
    const Values values = normal_values(512, magnitude, 0.0f, 6);
    const Values got = decode(GetParam(), encode(GetParam(), values));
    // An FP16 scale is off by at most 2^-25, times a code of at most 127 (K: times a sub-scale too, but then sharper).
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], values[i], 5 * magnitude + 128 * 0x1p-25) << i;
  }
}

TEST_P(Format, AnyBytesDecode) {
  Rng rng(7);
  Bytes blocks(static_cast<size_t>(bytes_of(GetParam(), 256 * 64)));
  for (std::byte& byte : blocks) byte = static_cast<std::byte>(rng.next());
  EXPECT_EQ(decode(GetParam(), blocks).size(), 256u * 64u);
}

// --- error bounds ---

struct SimpleFormat {
  ElementType type;
  int levels;         // steps in the range that the scale spans
  bool has_minimum;   // the range is [min, max]; else [-largest, largest]
  double worst_step;  // of a code from its value: half a step, a whole one where +largest has no code
};
constexpr SimpleFormat kSimpleFormats[] = {{ElementType::kQ4_0, 8, false, 1.0},
                                           {ElementType::kQ5_0, 16, false, 1.0},
                                           {ElementType::kQ8_0, 127, false, 0.5},
                                           {ElementType::kQ4_1, 15, true, 0.5},
                                           {ElementType::kQ5_1, 31, true, 0.5}};

TEST(RoundTrip, SimpleFormatsStayWithinAStep) {
  constexpr double kF16Rounding = 0x1p-11;  // relative, of a stored scale or minimum
  for (const SimpleFormat& format : kSimpleFormats) {
    for (const float mean : {0.0f, -0.3f, 2.0f}) {
      const Values values = normal_values(32 * 64, 0.05f, mean, 11);
      const Values got = decode(format.type, encode(format.type, values));
      for (size_t start = 0; start < values.size(); start += 32) {
        const auto [low, high] = std::minmax_element(values.begin() + static_cast<ptrdiff_t>(start),
                                                     values.begin() + static_cast<ptrdiff_t>(start) + 32);
        const double largest = std::max(std::abs(*low), std::abs(*high));
        const double range = format.has_minimum ? *high - *low : largest;
        const double step = range / format.levels;
        const double bound = step * format.worst_step + range * kF16Rounding + 128 * 0x1p-25 +
                             (format.has_minimum ? std::abs(*low) * kF16Rounding : 0.0);
        for (size_t i = start; i < start + 32; ++i) {
          ASSERT_NEAR(got[i], values[i], bound * 1.0001) << element_type_name(format.type) << " element " << i;
        }
      }
    }
  }
}

TEST(RoundTrip, PlainFloatsRoundOnce) {
  const Values values = normal_values(4096, 10.0f, 0.0f, 12);
  EXPECT_EQ(decode(ElementType::kF32, encode(ElementType::kF32, values)), values);
  const Values f16 = decode(ElementType::kF16, encode(ElementType::kF16, values));
  const Values bf16 = decode(ElementType::kBF16, encode(ElementType::kBF16, values));
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(f16[i], values[i], std::abs(values[i]) * 0x1p-11 + 0x1p-25);
    ASSERT_NEAR(bf16[i], values[i], std::abs(values[i]) * 0x1p-8);
  }
}

TEST(RoundTrip, ConstantBlocks) {
  for (const float constant : {1.0f, -1.0f, 0.37f, -2.5f, 1000.0f, -0.001f}) {
    const Values values(256, constant);
    for (const SimpleFormat& format : kSimpleFormats) {
      ASSERT_NEAR(decode(format.type, encode(format.type, values))[17], constant,
                  std::abs(constant) * 0x1p-10 + 0x1p-24)
          << element_type_name(format.type) << " of " << constant;
    }
    for (const ElementType type : {ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K}) {
      // A subnormal scale is off by at most 2^-25, times the largest sub-scale, times the largest code: 128 · 32
      // (Q6_K).
      ASSERT_NEAR(decode(type, encode(type, values))[17], constant, std::abs(constant) * 0x1p-9 + 0x1p-13)
          << element_type_name(type) << " of " << constant;
    }
  }
}

// The search starts at the grid over the full range R (zero included) of each sub-block, whose rms error is at most
// half a step, and never keeps a worse one; then sub-scale and sub-offset move by at most half of 1/63 of the largest
// each, the sub-scale times the largest code. 1.25: refitted steps may be a little larger than R / levels.
TEST(RoundTrip, SuperBlocksStayWithinTheirGrid) {
  for (const auto& [type, levels] : {std::pair{ElementType::kQ4_K, 15}, std::pair{ElementType::kQ5_K, 31}}) {
    for (const float mean : {0.0f, 0.05f, -0.05f, 1.0f, -1.0f}) {
      const Values values = normal_values(256, 0.05f, mean, 13);
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const double range = std::max(0.0f, *high) - std::min(0.0f, *low);
      EXPECT_LE(round_trip_error(type, values), range * (0.5 / levels + 1.25 / 126 + 1.25 / 126))
          << element_type_name(type) << " mean " << mean;
    }
  }
}

TEST(RoundTrip, SearchBeatsTheSimpleFormatsOnNormalWeights) {
  const Values values = normal_values(256 * 64, 0.03f, 0.0f, 14);
  EXPECT_LT(round_trip_error(ElementType::kQ4_K, values), 0.85 * round_trip_error(ElementType::kQ4_0, values));
  EXPECT_LT(round_trip_error(ElementType::kQ5_K, values), 0.85 * round_trip_error(ElementType::kQ5_0, values));
  EXPECT_LT(round_trip_error(ElementType::kQ6_K, values), 0.65 * round_trip_error(ElementType::kQ5_K, values));
  EXPECT_LT(round_trip_error(ElementType::kQ8_0, values), 0.35 * round_trip_error(ElementType::kQ6_K, values));
}

// What llama.cpp's own quantisers leave on the same values without an importance matrix (ggml_quantize_chunk of a build
// of October 2026; the simple formats give its bytes, see GoldenEncode).
TEST(RoundTrip, SearchIsNotWorseThanThePeers) {
  struct Peer {
    ElementType type;
    double error_of_centred;  // rms
    double error_of_shifted;
  };
  const Values centred = normal_values(256 * 64, 0.03f, 0.0f, 14);
  const Values shifted = normal_values(256 * 64, 0.03f, 0.02f, 15);
  for (const Peer& peer :
       {Peer{ElementType::kQ4_K, 0.00215779, 0.00212455}, Peer{ElementType::kQ5_K, 0.00109435, 0.00106335},
        Peer{ElementType::kQ6_K, 0.000532084, 0.00061552}}) {
    EXPECT_LT(round_trip_error(peer.type, centred), peer.error_of_centred) << element_type_name(peer.type);
    EXPECT_LT(round_trip_error(peer.type, shifted), peer.error_of_shifted) << element_type_name(peer.type);
  }
}

// Blocks whose values all have a code, in every sub-block, with scales that FP16 holds.
TEST(RoundTrip, RepresentableSuperBlocksAreExact) {
  Values affine(256), centred(256);
  for (const auto& [type, code_max] : {std::pair{ElementType::kQ4_K, 15}, {ElementType::kQ5_K, 31}}) {
    for (size_t i = 0; i < 256; ++i) {
      const auto code = static_cast<float>(static_cast<int>(i * 7) % (code_max + 1));
      affine[i] = 63 * 0x1p-12f * code - 63 * 0x1p-8f;  // the largest sub-scale and sub-offset
    }
    EXPECT_EQ(decode(type, encode(type, affine)), affine) << element_type_name(type);
  }
  for (size_t i = 0; i < 256; ++i) {
    centred[i] = static_cast<float>(static_cast<int>(i % 16 * 4) - 32) * 0x1p-7f;  // −32 in each sub-block
  }
  EXPECT_EQ(decode(ElementType::kQ6_K, encode(ElementType::kQ6_K, centred)), centred);
}

// --- idempotence ---

class Idempotent : public testing::TestWithParam<ElementType> {};
INSTANTIATE_TEST_SUITE_P(Quant, Idempotent, kSimpleBlocks, type_name);

// Requantising what was quantised loses nothing more (Q8_0, Q4_0, Q5_0: the extreme code gives the scale back exactly;
// Q4_1, Q5_1: up to the rounding of the largest value, far below FP16's).
TEST_P(Idempotent, EncodingDecodedBlocksGivesThemBack) {
  for (const float spread : {0.01f, 1.0f, 300.0f}) {
    const Bytes once = encode(GetParam(), normal_values(32 * 128, spread, 0.0f, 21));
    EXPECT_EQ(encode(GetParam(), decode(GetParam(), once)), once) << "spread " << spread;
  }
}

// --- the list ---

TEST(Blocks, OnlyWeightsCanBeDecoded) {
  EXPECT_TRUE(can_decode(ElementType::kF32));
  EXPECT_TRUE(can_decode(ElementType::kQ6_K));
  for (const ElementType type : {ElementType::kU8, ElementType::kI8, ElementType::kI32, ElementType::kI64}) {
    EXPECT_FALSE(can_decode(type)) << element_type_name(type);
    EXPECT_FALSE(can_encode(type)) << element_type_name(type);
  }
  EXPECT_TRUE(can_encode(ElementType::kQ6_K));
  EXPECT_TRUE(can_decode(ElementType::kMXFP4));
  EXPECT_FALSE(can_encode(ElementType::kMXFP4));
}

TEST(BlocksDeathTest, IntegersAreABug) {
  EXPECT_DEATH(decode_function(ElementType::kI32), "can_decode");
  EXPECT_DEATH(encode_function(ElementType::kI64), "can_encode");
  EXPECT_DEATH(encode_function(ElementType::kQ2_K), "can_encode");
}

// By the definition: sign, 4 bits of exponent, 3 of mantissa; subnormal below an exponent of 1.
TEST(F8E4M3, EachCodeIsWhatTheDefinitionSays) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<std::byte>(code);
    float got;
    decode_function(ElementType::kF8E4M3)(&byte, &got, 1);
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    if (exponent == 15 && mantissa == 7) {
      EXPECT_TRUE(std::isnan(got)) << code;
      continue;
    }
    const double size = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    EXPECT_EQ(static_cast<double>(got), code < 128 ? size : -size) << code;
  }
}

}  // namespace
}  // namespace pelton
