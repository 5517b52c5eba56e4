#include "base/base64.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

// RFC 4648, section 10.
TEST(Base64, TestVectors) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, AllBytesAreUnsigned) { EXPECT_EQ(to_base64(std::string_view("\xff\xff\xff\x00\x80\xfb", 6)), "////AID7"); }

}  // namespace
}  // namespace pelton
