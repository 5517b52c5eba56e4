// Bit for bit against quant/'s reference on blocks of random bytes, which reach every code, scale, infinity and NaN.
#include "kernels/decode/decode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/rng.h"

namespace pelton {
namespace {

constexpr ElementType kTypes[] = {ElementType::kF32,  ElementType::kF16,  ElementType::kBF16, ElementType::kQ4_0,
                                  ElementType::kQ4_1, ElementType::kQ5_0, ElementType::kQ5_1, ElementType::kQ8_0,
                                  ElementType::kQ4_K, ElementType::kQ5_K, ElementType::kQ6_K};

void expect_same_values(const std::vector<float>& got, const std::vector<float>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << "at " << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(expected[i]))
          << "at " << i << ": " << got[i] << ", expected " << expected[i];
    }
  }
}

// `blocks` must end where its memory ends: the sanitizer then sees any read past the last block.
void expect_reference(Isa isa, ElementType type, const std::byte* blocks, int64_t count) {
  constexpr size_t kGuard = 32;
  constexpr float kUntouched = 12345.0f;
  const size_t value_count = static_cast<size_t>(count);
  std::vector<float> expected(value_count + kGuard, kUntouched), got = expected;
  decode_function(type)(blocks, expected.data(), count);
  decode_kernel(isa, type)(blocks, got.data(), count);
  expect_same_values(got, expected);
}

TEST(Decode, EveryIsaGivesTheBitsOfTheReference) {
  Rng rng(31);
  for (ElementType type : kTypes) {
    SCOPED_TRACE(element_type_name(type));
    for (int64_t block_count : {0, 1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 129, 300}) {
      for (size_t offset : {16, 1, 3}) {
        const int64_t count = block_count * info(type).block_elements;
        std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, count)) + offset);
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.next());
        for (Isa isa : supported_isas()) {
          SCOPED_TRACE(testing::Message() << isa_name(isa) << ", " << block_count << " blocks");
          expect_reference(isa, type, bytes.data() + offset, count);
        }
      }
    }
  }
}

TEST(Decode, EveryHalfIsRead) {
  constexpr int64_t kHalves = 1 << 16;
  std::vector<uint16_t> halves;
  for (int64_t bits = 0; bits < kHalves; ++bits) halves.push_back(static_cast<uint16_t>(bits));
  for (ElementType type : {ElementType::kF16, ElementType::kBF16}) {
    for (Isa isa : supported_isas()) {
      SCOPED_TRACE(testing::Message() << element_type_name(type) << " on " << isa_name(isa));
      expect_reference(isa, type, reinterpret_cast<const std::byte*>(halves.data()), kHalves);
    }
  }
}

// A fallback to the reference would pass every comparison.
TEST(Decode, EveryCompressedTypeHasAFastPath) {
  for (Isa isa : supported_isas()) {
    if (isa == Isa::kScalar) continue;
    for (ElementType type : kTypes) {
      if (type == ElementType::kF32) continue;  // a copy
      EXPECT_NE(decode_kernel(isa, type), decode_function(type)) << element_type_name(type) << " on " << isa_name(isa);
    }
  }
}

TEST(DecodeDeathTest, IntegersAreABug) {
  for (Isa isa : supported_isas()) EXPECT_DEATH(decode_kernel(isa, ElementType::kI32), "can_decode");
}

}  // namespace
}  // namespace pelton
