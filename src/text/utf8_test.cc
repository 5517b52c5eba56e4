#include "text/utf8.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace pelton {
namespace {

std::string repaired(std::string bytes) {
  std::string text = take_decided_utf8(bytes);
  return bytes.empty() ? text : text + std::string(kReplacementCharacter);
}

TEST(Utf8, EveryCodePointIsOneCharacter) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code_point);
    const Utf8Part part = next_utf8_part(text);
    ASSERT_EQ(part.state, Utf8State::kCharacter) << static_cast<uint32_t>(code_point);
    ASSERT_EQ(part.size, text.size());
    ASSERT_TRUE(code_point_of(text) == code_point) << static_cast<uint32_t>(code_point);
  }
}

// The examples of the Unicode standard, 15.0, tables 3-8 to 3-11.
TEST(Utf8, BadPartsAreReplacedAsTheStandardRecommends) {
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(repaired("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(repaired("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(repaired("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(repaired("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
}

TEST(Utf8, EachCharacterIsVisitedWhereItIs) {
  std::vector<std::pair<size_t, std::string>> visits;
  for_each_character("aé\xFF日\xE6\x97",
                     [&](size_t position, std::string_view character) { visits.emplace_back(position, character); });
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(visits, (std::vector<std::pair<size_t, std::string>>{{0, "a"}, {1, "é"}, {3, r}, {4, "日"}, {7, r}}));
  for_each_character("", [](size_t, std::string_view) { FAIL(); });
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8("aé日👍"), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("aé\xE6\x97"), 3u);
  EXPECT_EQ(find_invalid_utf8("\x80"), 0u);
}

}  // namespace
}  // namespace pelton
