#include "text/detokenizer_stream.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "text/golden_tokenizers.h"
#include "text/utf8.h"

namespace pelton {
namespace {

class Streams : public testing::TestWithParam<const char*> {};

TEST_P(Streams, ArePiecesOfWhatTheWholeDecodesTo) {
  const auto tokenizer = golden_tokenizer(GetParam());
  Rng rng(11);
  for (int round = 0; round < 500; ++round) {
    const bool skip_special = round % 2 == 0;
    DetokenizerStream stream(tokenizer, skip_special);
    std::vector<TokenId> tokens;
    std::string text;
    for (uint64_t i = rng.next_below(40); i > 0; --i) {
      // Half of them among the first 260: special tokens and single bytes, of which most sequences are no UTF-8.
      const uint64_t end = i % 2 == 0 ? 260 : static_cast<uint64_t>(tokenizer->vocabulary_size()) + 3;
      tokens.push_back(static_cast<TokenId>(rng.next_below(end)));
      const std::string piece = stream.push(tokens.back());
      ASSERT_FALSE(find_invalid_utf8(piece)) << "round " << round;
      text += piece;
    }
    text += stream.finish();
    ASSERT_EQ(text, tokenizer->decode(tokens, skip_special)) << "round " << round;
  }
}

TEST_P(Streams, GiveTheTextBack) {
  const auto tokenizer = golden_tokenizer(GetParam());
  const std::string text = " Grüße, 日本語 👩‍👩‍👧 end\n";
  DetokenizerStream stream(tokenizer, true);
  std::string streamed;
  for (const TokenId token : tokenizer->encode(text, {})) streamed += stream.push(token);
  EXPECT_EQ(streamed + stream.finish(), text);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Streams, testing::Values("gpt-2", "sentencepiece"));

TEST(DetokenizerStream, HoldsAnUnfinishedCharacterBack) {
  const auto tokenizer = golden_tokenizer("sentencepiece");
  const auto byte = [&](const char* spelling) { return *tokenizer->find(spelling); };
  DetokenizerStream stream(tokenizer, true);
  EXPECT_EQ(stream.push(byte("<0xE2>")), "");
  EXPECT_EQ(stream.push(byte("<0x82>")), "");
  EXPECT_EQ(stream.push(byte("<0xAC>")), "€");
  EXPECT_EQ(stream.push(byte("<0xE2>")), "");
  EXPECT_EQ(stream.push(byte("<0x41>")),
            "\uFFFD"
            "A");
  EXPECT_EQ(stream.push(byte("<0xF0>")), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(DetokenizerStream, DropsOnlyTheVeryFirstSpace) {
  const auto tokenizer = golden_tokenizer("sentencepiece");
  const TokenId space = *tokenizer->find("▁");
  DetokenizerStream stream(tokenizer, true);
  EXPECT_EQ(stream.push(*tokenizer->bos()), "");
  EXPECT_EQ(stream.push(space), "");
  EXPECT_EQ(stream.push(space), " ");
}

}  // namespace
}  // namespace pelton
