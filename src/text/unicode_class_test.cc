#include "text/unicode_class.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/bridge_call.h"
#include "text/utf8.h"

namespace pelton {
namespace {

constexpr char32_t kCodePointEnd = 0x110000;
// Of private use, which no class has.
constexpr const char* kIn = "\uE000";
constexpr const char* kOut = "\uE001";

bool is_character(char32_t code_point) {
  return code_point < 0xD800 || (code_point >= 0xE000 && code_point < kCodePointEnd);
}

json::object replacement(const std::string& expression, const char* content) {
  return {{"type", "Replace"}, {"pattern", json::object{{"Regex", expression}}}, {"content", content}};
}

// A tokenizer of the library that says of each character whether the expression matches it: token 1, else 0.
BridgeTokenizer membership_tokenizer(const std::string& expression) {
  const json::object tokenizer = {
      {"version", "1.0"},
      {"added_tokens", json::array{}},
      {"normalizer", json::object{{"type", "Sequence"},
                                  {"normalizers", json::array{replacement(expression, kIn),
                                                              replacement(std::string("[^") + kIn + "]", kOut)}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model",
       json::object{{"type", "BPE"}, {"vocab", json::object{{kOut, 0}, {kIn, 1}}}, {"merges", json::array{}}}}};
  BridgeBytes error;
  pelton_bridge_tokenizer* loaded = nullptr;
  const std::string text = json::serialize(tokenizer);
  if (pelton_bridge_tokenizer_load(bridge_text(text), &loaded, error.out()) != PELTON_BRIDGE_OK) {
    ADD_FAILURE() << error.view();
  }
  return BridgeTokenizer(loaded);
}

// The code points of which `is_member` and the library say different things of this expression.
template <typename IsMember>
std::vector<std::string> differences(const std::string& expression, const IsMember& is_member) {
  const BridgeTokenizer tokenizer = membership_tokenizer(expression);
  std::vector<std::string> found;
  constexpr char32_t kBlock = 4096;
  for (char32_t first = 0; first < kCodePointEnd; first += kBlock) {
    std::string text;
    std::vector<char32_t> code_points;
    for (char32_t c = first; c < first + kBlock; ++c) {
      if (!is_character(c) || c == 0xE000) continue;
      append_utf8(text, c);
      code_points.push_back(c);
    }
    if (text.empty()) continue;
    pelton_bridge_ids ids = {};
    BridgeBytes error;
    EXPECT_EQ(pelton_bridge_tokenizer_encode(tokenizer.get(), bridge_text(text), false, &ids, error.out()),
              PELTON_BRIDGE_OK);
    EXPECT_EQ(ids.size, code_points.size());
    for (size_t i = 0; i < std::min(ids.size, code_points.size()); ++i) {
      if (is_member(code_points[i]) == (ids.data[i] == 1)) continue;
      found.push_back(fmt::format("U+{:04X}", static_cast<uint32_t>(code_points[i])));
    }
    pelton_bridge_ids_free(ids);
  }
  return found;
}

TEST(UnicodeClass, IsTheLibrarysForAllCodePoints) {
  const UnicodeClassTable& table = UnicodeClassTable::instance();
  const std::pair<const char*, UnicodeClasses> kExpressions[] = {{"[\\p{Lu}\\p{Lt}]", classes(UnicodeClass::kUpper)},
                                                                 {"\\p{Ll}", classes(UnicodeClass::kLower)},
                                                                 {"[\\p{Lm}\\p{Lo}]", classes(UnicodeClass::kCaseless)},
                                                                 {"\\p{M}", classes(UnicodeClass::kMark)},
                                                                 {"\\p{N}", kNumberClasses},
                                                                 {"\\s", kSpaceClasses},
                                                                 {"\\p{P}", classes(UnicodeClass::kPunctuation)},
                                                                 {"\\p{S}", classes(UnicodeClass::kSymbol)}};
  for (const auto& [expression, set] : kExpressions) {
    SCOPED_TRACE(expression);
    const UnicodeClasses members = set;
    EXPECT_EQ(differences(expression, [&](char32_t c) { return table.is_in(c, members); }), std::vector<std::string>());
  }
}

std::string composed(const std::string& text) {
  BridgeBytes result, error;
  EXPECT_EQ(pelton_bridge_compose(bridge_text(text), result.out(), error.out()), PELTON_BRIDGE_OK);
  return std::string(result.view());
}

// What is called inert must not change beside anything: a letter before that takes marks, Hangul, a mark after.
TEST(UnicodeClass, CompositionLeavesTheInertAlone) {
  for (const char* before : {"e", "\u1100", "\uAC00", "\u0915"}) {
    for (char32_t first = 0; first < 0x30000; first += 4096) {
      const bool is_uniform = first >= 0x4000 && first < 0xA000 && before[0] != 'e';  // ideographs
      std::string text;
      for (char32_t c = first; c < first + 4096; c += is_uniform ? 64 : 1) {
        if (!is_character(c) || !UnicodeClassTable::instance().is_nfc_inert(c)) continue;
        text += before;
        append_utf8(text, c);
      }
      EXPECT_TRUE(is_surely_nfc(text));
      EXPECT_EQ(composed(text), text) << "from " << static_cast<uint32_t>(first);
    }
  }
  EXPECT_FALSE(is_surely_nfc("e\u0301"));
  EXPECT_FALSE(is_surely_nfc("\u212B"));
  EXPECT_EQ(composed("e\u0301 \u212B"), "\u00E9 \u00C5");
}

}  // namespace
}  // namespace pelton
