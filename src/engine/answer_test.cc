#include "engine/answer.h"

#include <gtest/gtest.h>

#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

struct Collected {
  std::string text;
  int64_t token_count = 0;
  std::optional<FinishReason> finish;
  std::optional<std::string> stop;
};

// Pushes tokens until the answer ends. The last token of the vocabulary ends an answer.
Collected collect(const std::vector<std::string>& pieces, const SamplingParameters& sampling, int64_t token_count_max) {
  std::vector<std::string> vocabulary = pieces;
  vocabulary.push_back("<end>");
  const std::vector<TokenId> end_tokens{TokenId{static_cast<int32_t>(pieces.size())}};
  GenerationRequest request;
  request.sampling = sampling;
  Answer answer(std::make_shared<FakeTokenizer>(vocabulary), request, ending_tokens(sampling, end_tokens),
                token_count_max);
  Collected collected;
  for (size_t i = 0; i < vocabulary.size() && !collected.finish; ++i) {
    const Answer::Progress progress = answer.push(TokenId{static_cast<int32_t>(i)});
    collected.text += progress.text;
    collected.finish = progress.finish;
    collected.stop = progress.stop;
  }
  collected.token_count = answer.token_count();
  return collected;
}

TEST(Answer, EndTokenEndsWithoutText) {
  const Collected answer = collect({"Good ", "day"}, {}, 100);
  EXPECT_EQ(answer.text, "Good day");
  EXPECT_EQ(answer.finish, FinishReason::kStop);
  EXPECT_EQ(answer.stop, std::nullopt);
  EXPECT_EQ(answer.token_count, 3);
}

TEST(Answer, IgnoredEndTokenIsATokenLikeOthers) {
  const Collected answer = collect({"Good ", "day"}, {.ignores_end_tokens = true}, 3);
  EXPECT_EQ(answer.text, "Good day<end>");
  EXPECT_EQ(answer.finish, FinishReason::kLength);
}

TEST(Answer, StopTokenEndsWithoutText) {
  const Collected answer = collect({"Good ", "day", " to"}, {.stop_tokens = {TokenId{1}}}, 100);
  EXPECT_EQ(answer.text, "Good ");
  EXPECT_EQ(answer.finish, FinishReason::kStop);
  EXPECT_EQ(answer.token_count, 2);
}

TEST(Answer, NoStopIsLookedForBeforeMinTokens) {
  const Collected answer = collect({"a", "STOP", "b", "STOP", "c"}, {.stops = {"STOP"}, .min_tokens = 2}, 100);
  EXPECT_EQ(answer.text, "aSTOPb");
  EXPECT_EQ(answer.stop, "STOP");
  // Nor one that begins in them.
  EXPECT_EQ(collect({"a", "ST", "OP", "b"}, {.stops = {"STOP"}, .min_tokens = 2}, 100).text, "aSTOPb");
}

TEST(Answer, EndsAtTheTokenLimit) {
  const Collected answer = collect({"a", "b", "c"}, {}, 2);
  EXPECT_EQ(answer.text, "ab");
  EXPECT_EQ(answer.finish, FinishReason::kLength);
  EXPECT_EQ(answer.token_count, 2);
}

TEST(Answer, EndTokenAtTheLimitIsAStop) { EXPECT_EQ(collect({"a"}, {}, 2).finish, FinishReason::kStop); }

TEST(Answer, StopStringNeverLeaksHoweverItIsCut) {
  const std::string text = "Say STOP now";
  const std::string stop = "STOP";
  // All 2^11 ways to cut the text into tokens.
  for (unsigned cuts = 0; cuts < 1u << (text.size() - 1); ++cuts) {
    std::vector<std::string> pieces{""};
    for (size_t i = 0; i < text.size(); ++i) {
      pieces.back() += text[i];
      if (i + 1 < text.size() && (cuts >> i & 1) != 0) pieces.emplace_back();
    }
    const Collected answer = collect(pieces, {.stops = {stop}}, 100);
    ASSERT_EQ(answer.text, "Say ") << "cuts " << cuts;
    ASSERT_EQ(answer.finish, FinishReason::kStop);
    ASSERT_EQ(answer.stop, stop);
  }
}

TEST(Answer, ShowsAnUnfinishedStopStringAtTheEnd) {
  EXPECT_EQ(collect({"ab", "ST"}, {.stops = {"STOP"}}, 100).text, "abST");
  EXPECT_EQ(collect({"ab", "ST", "x"}, {.stops = {"STOP"}}, 2).text, "abST");
}

TEST(Answer, StopStringInTheLastTokenIsAStop) {
  const Collected answer = collect({"ab", "cd"}, {.stops = {"d"}}, 2);
  EXPECT_EQ(answer.text, "abc");
  EXPECT_EQ(answer.finish, FinishReason::kStop);
  EXPECT_EQ(answer.stop, "d");
}

TEST(Answer, UnfinishedCharacterComesOutAtTheEnd) {
  EXPECT_EQ(collect({"a", "\xC3"}, {}, 100).text, "a\xEF\xBF\xBD");
  EXPECT_EQ(collect({"\xC3", "\xA9"}, {}, 100).text, "\xC3\xA9");
}

}  // namespace
}  // namespace pelton
