#include "base/byte_size.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

TEST(ByteSize, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_byte_size("4096"), 4096);
  EXPECT_EQ(parse_byte_size("1B"), 1);
  EXPECT_EQ(parse_byte_size("2k"), 2048);
  EXPECT_EQ(parse_byte_size("512M"), int64_t{512} << 20);
  EXPECT_EQ(parse_byte_size("512mb"), int64_t{512} << 20);
  EXPECT_EQ(parse_byte_size("1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(parse_byte_size("4194304T"), int64_t{1} << 62);
}

TEST(ByteSize, RefusesTheRest) {
  for (const char* text :
       {"", "0", "-1", "M", "12X", "1MM", "1KiBs", "1 G", "nan", "inf", "1e3", "0.5", "4194305T", "9e99"}) {
    EXPECT_THROW(parse_byte_size(text), Error) << text;
  }
}

TEST(ByteSize, ShowsThreeSignificantDigits) {
  EXPECT_EQ(format_byte_size(0), "0 B");
  EXPECT_EQ(format_byte_size(1023), "1023 B");
  EXPECT_EQ(format_byte_size(1024), "1.0 KiB");
  EXPECT_EQ(format_byte_size(98362432), "93.8 MiB");
  EXPECT_EQ(format_byte_size(int64_t{5} << 50), "5120.0 TiB");
}

}  // namespace
}  // namespace pelton
