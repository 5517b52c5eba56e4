#include "cli/printable.h"

#include <gtest/gtest.h>

namespace pelton::cli {
namespace {

constexpr size_t kLong = 1000;

TEST(Printable, KeepsValidText) {
  for (const char* text :
       {"", "plain", "Überraschung", "日本語", "👩‍👩‍👧", "\xF4\x8F\xBF\xBF", "\xEE\x80\x80"}) {
    EXPECT_EQ(valid_utf8(text), text);
    EXPECT_EQ(one_line(text, kLong), text);
  }
}

TEST(Printable, ReplacesWhatIsNoCharacter) {
  EXPECT_EQ(valid_utf8("a\xFF"
                       "b"),
            "a\uFFFDb");
  EXPECT_EQ(valid_utf8("\xC3"), "\uFFFD");                                // cut off
  EXPECT_EQ(valid_utf8("\xC0\x80"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(valid_utf8("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
}

TEST(Printable, EscapesWhatTerminalsObey) {
  EXPECT_EQ(one_line("a\nb\tc\r", kLong), "a\\nb\\tc\\r");
  EXPECT_EQ(one_line("\x1b[31mred\x7f", kLong), "\\x1b[31mred\\x7f");
  EXPECT_EQ(one_line("\xC2\x9B"
                     "31m",
                     kLong),
            "\\x9b31m");
  EXPECT_EQ(one_line(std::string_view("\0", 1), kLong), "\\x00");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(one_line("abcdef", 6), "abcdef");
  EXPECT_EQ(one_line("abcdef", 5), "abcde…");
  EXPECT_EQ(one_line("日本", 4), "日…");
  EXPECT_EQ(one_line("日本x", 4), "日…");
}

}  // namespace
}  // namespace pelton::cli
