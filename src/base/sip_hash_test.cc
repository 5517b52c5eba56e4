#include "base/sip_hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace pelton {
namespace {

// Key 00 01 … 0f, input 00 01 …: what OpenSSL's SIPHASH with size:16 says; the first is the paper's own vector.
TEST(SipHash128, IsTheLibrarys) {
  struct Case {
    size_t size;
    Hash128 hash;
  };
  const Case cases[] = {
      {0, {0xe6a825ba047f81a3, 0x930255c71472f66d}},  {1, {0x44af996bd8c187da, 0x45fc229b11597634}},
      {7, {0x53c1dbd8beebf1a1, 0x3982f01fa64ab8c0}},  {8, {0x61f55862baa9623b, 0xb49714f364e2830f}},
      {15, {0x11a8b03399e99354, 0xd9c3cf970fec087e}}, {16, {0xbb54b067caa4e26e, 0x77052385bf1533fd}},
      {80, {0xf870437ae16ac7d2, 0x22f80d5a79a4fb58}}, {100, {0x3317be09d02d7339, 0xd9e6e58f35c69782}},
  };
  for (const Case& expected : cases) {
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < expected.size; ++i) bytes.push_back(static_cast<std::byte>(i));
    EXPECT_EQ(sip_hash_128({0x0706050403020100, 0x0f0e0d0c0b0a0908}, bytes), expected.hash) << expected.size;
  }
}

}  // namespace
}  // namespace pelton
