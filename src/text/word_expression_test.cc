#include "text/word_expression.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "text/bridge_call.h"
#include "text/hostile_text.h"
#include "text/pre_tokenizer.h"
#include "text/utf8.h"

namespace pelton {
namespace {

// A tokenizer of the library with this pre-tokenizer: a token for each byte, an odd one where a piece ends there.
class BoundaryTokenizer {
 public:
  explicit BoundaryTokenizer(const json::value& pre_tokenizer) {
    json::object vocabulary;
    for (int byte = 0; byte < 256; ++byte) {
      // GPT-2's spelling: the bytes that stand for themselves, and U+0100, U+0101, … for the others.
      const bool is_itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      std::string spelling;
      append_utf8(spelling, is_itself ? static_cast<char32_t>(byte) : next_other_++);
      vocabulary[spelling] = 2 * byte;
      vocabulary[spelling + "$$"] = 2 * byte + 1;
    }
    const json::object tokenizer = {
        {"version", "1.0"},
        {"added_tokens", json::array{}},
        {"normalizer", nullptr},
        {"pre_tokenizer", pre_tokenizer},
        {"post_processor", nullptr},
        {"decoder", nullptr},
        {"model",
         json::object{
             {"type", "BPE"}, {"end_of_word_suffix", "$$"}, {"vocab", vocabulary}, {"merges", json::array{}}}}};
    BridgeBytes error;
    pelton_bridge_tokenizer* loaded = nullptr;
    const std::string text = json::serialize(tokenizer);
    const auto status = pelton_bridge_tokenizer_load(bridge_text(text), &loaded, error.out());
    EXPECT_EQ(status, PELTON_BRIDGE_OK) << error.view();
    tokenizer_.reset(loaded);
  }

  std::vector<size_t> boundaries(std::string_view text) const {
    pelton_bridge_ids ids = {};
    BridgeBytes error;
    EXPECT_EQ(pelton_bridge_tokenizer_encode(tokenizer_.get(), bridge_text(text), false, &ids, error.out()),
              PELTON_BRIDGE_OK);
    EXPECT_EQ(ids.size, text.size());
    std::vector<size_t> ends;
    for (size_t i = 0; i < ids.size; ++i) {
      if (ids.data[i] % 2 == 1) ends.push_back(i + 1);
    }
    pelton_bridge_ids_free(ids);
    return ends;
  }

 private:
  char32_t next_other_ = 0x100;
  BridgeTokenizer tokenizer_;
};

std::vector<size_t> our_boundaries(const WordExpression& expression, std::string_view text) {
  std::vector<size_t> ends;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const char* next = expression.piece_end(UnicodeClassTable::instance(), at, end);
    if (next <= at || next > end) {
      ADD_FAILURE() << "no progress";
      break;
    }
    ends.push_back(static_cast<size_t>(next - text.data()));
    at = next;
  }
  return ends;
}

struct Case {
  std::string name;
  json::value pre_tokenizer;
  const WordExpression* expression;
};

std::vector<Case> cases() {
  const auto with_byte_level = [](json::object first) {
    return json::object{{"type", "Sequence"}, {"pretokenizers", json::array{std::move(first), byte_level(false)}}};
  };
  std::vector<Case> all = {
      {"gpt2", byte_level(true), &kGpt2Expression},
      {"each_digit", with_byte_level({{"type", "Digits"}, {"individual_digits", true}}), &kEachDigit},
      {"digit_runs", with_byte_level({{"type", "Digits"}, {"individual_digits", false}}), &kDigitRuns},
  };
  for (const WordExpression& row : word_expressions()) {
    json::object split = {{"type", "Split"},
                          {"pattern", json::object{{"Regex", row.spelling}}},
                          {"behavior", "Isolated"},
                          {"invert", false}};
    all.push_back({fmt::format("row{}", all.size() - 3), with_byte_level(std::move(split)), &row});
  }
  return all;
}

class Words : public testing::TestWithParam<Case> {};

TEST_P(Words, AreTheLibrarysInHostileTexts) {
  const BoundaryTokenizer library(GetParam().pre_tokenizer);
  constexpr uint64_t kSeed = 20261127;
  HostileText texts(kSeed);
  for (int i = 0; i < 1000; ++i) {
    const std::string text = texts.next();
    ASSERT_EQ(our_boundaries(*GetParam().expression, text), library.boundaries(text))
        << "seed " << kSeed << ", text " << i << ": " << testing::PrintToString(text);
  }
}

// Every character that any Unicode version has or may soon have beside each kind of neighbour.
TEST_P(Words, AreTheLibrarysAroundEveryCharacter) {
  const BoundaryTokenizer library(GetParam().pre_tokenizer);
  const auto check = [&](char32_t first, char32_t last, char32_t step) {
    std::string text;
    for (char32_t c = first; c <= last; c += step) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string character;
      append_utf8(character, c);
      for (const char* before : {"x", " ", "1", ".", "'"}) (text += before) += character;
      text += "A" + character + character + "\n";
    }
    ASSERT_EQ(our_boundaries(*GetParam().expression, text), library.boundaries(text))
        << "from " << static_cast<uint32_t>(first);
  };
  for (char32_t block = 0; block < 0x20000; block += 0x400) {
    const bool is_uniform = (block >= 0x4E00 && block < 0xA000 - 0x800) || (block >= 0xAC00 && block < 0xF400);
    check(block, block + 0x3FF, is_uniform ? 61 : 7);
  }
  check(0, 0x2FF, 1);
  check(0x2000, 0x20FF, 1);
  check(0x3000, 0x30FF, 1);
  check(0x20000, 0x10FFFF, 4099);
}

INSTANTIATE_TEST_SUITE_P(Expressions, Words, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST(WordExpression, LongPiecesTakeLinearTime) {
  for (const WordExpression& row : word_expressions()) {
    for (const char* part : {" ", "\n", "a", "A", "\u0301", "1", ".", "'", "\u4E00"}) {
      std::string text;
      while (text.size() < 1'000'000) text += part;
      size_t piece_count = 0;
      for (const size_t end : our_boundaries(row, text + "x")) piece_count += end > 0;
      EXPECT_GT(piece_count, 0u);
    }
  }
}

}  // namespace
}  // namespace pelton
