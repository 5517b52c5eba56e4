#include "engine/dry_penalty.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/rng.h"
#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

std::vector<TokenId> tokens_of(const std::vector<int32_t>& ids) {
  std::vector<TokenId> tokens;
  for (const int32_t id : ids) tokens.push_back(TokenId{id});
  return tokens;
}

// The definition: every earlier place, compared token by token.
std::vector<float> plain_penalties(const DryOptions& options, const std::vector<int32_t>& breakers,
                                   std::vector<int32_t> text, int64_t vocabulary_size) {
  if (options.range >= 0 && static_cast<int64_t>(text.size()) > options.range) {
    text.erase(text.begin(), text.end() - options.range);
  }
  std::map<int32_t, int64_t> longest;
  for (size_t next = 1; next < text.size(); ++next) {
    int64_t length = 0;
    while (length < static_cast<int64_t>(next)) {
      const int32_t last = text[text.size() - 1 - static_cast<size_t>(length)];
      const bool is_breaker = std::find(breakers.begin(), breakers.end(), last) != breakers.end();
      if (is_breaker || text[next - 1 - static_cast<size_t>(length)] != last) break;
      ++length;
    }
    if (length >= options.allowed_length) longest[text[next]] = std::max(longest[text[next]], length);
  }
  std::vector<float> penalties(static_cast<size_t>(vocabulary_size), 0.0f);
  for (const auto& [token, length] : longest) {
    penalties[static_cast<size_t>(token)] = static_cast<float>(
        -options.multiplier * std::pow(options.base, static_cast<double>(length - options.allowed_length)));
  }
  return penalties;
}

TEST(DryPenalty, EqualsItsDefinition) {
  Rng rng(1);
  for (int round = 0; round < 300; ++round) {
    const auto vocabulary_size = static_cast<int64_t>(2 + rng.next_below(5));  // few tokens: many repetitions
    const DryOptions options{.multiplier = 0.8,
                             .base = 1.3,
                             .allowed_length = static_cast<int64_t>(1 + rng.next_below(3)),
                             .range = rng.next_below(2) == 0 ? -1 : static_cast<int64_t>(rng.next_below(40))};
    const std::vector<int32_t> breakers =
        rng.next_below(2) == 0 ? std::vector<int32_t>() : std::vector<int32_t>{static_cast<int32_t>(vocabulary_size)};
    std::vector<int32_t> text;
    const uint64_t prompt_size = rng.next_below(30);
    const auto next = [&] { return static_cast<int32_t>(rng.next_below(static_cast<uint64_t>(vocabulary_size) + 1)); };
    for (uint64_t i = 0; i < prompt_size; ++i) text.push_back(next());
    DryPenalty penalty(options, tokens_of(breakers), tokens_of(text));
    for (int i = 0; i < 20; ++i) {
      std::vector<float> logits(static_cast<size_t>(vocabulary_size) + 1, 0.0f);
      penalty.apply(logits);
      EXPECT_EQ(logits, plain_penalties(options, breakers, text, vocabulary_size + 1)) << "round " << round;
      text.push_back(next());
      penalty.record(TokenId{text.back()});
    }
  }
}

TEST(DryPenalty, GrowsWithTheRepetition) {
  // 1 2 3 | 1 2 → 3 would be the third repeated token.
  DryPenalty penalty({.multiplier = 2, .base = 3, .allowed_length = 1}, {}, tokens_of({1, 2, 3, 1, 2}));
  std::vector<float> logits(5, 0.0f);
  penalty.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{0, 0, 0, -6, 0}));
}

TEST(DryPenalty, LongRepetitionsStayFinite) {
  std::vector<int32_t> text(5000, 1);
  DryPenalty penalty({.multiplier = 100, .base = 10}, {}, tokens_of(text));
  std::vector<float> logits(2, 0.0f);
  penalty.apply(logits);
  EXPECT_TRUE(std::isfinite(logits[1]));
  EXPECT_LT(logits[1], -1e37f);
  EXPECT_EQ(logits[0], 0);
}

TEST(DryPenalty, BreakersAreTheTokensThatHoldThem) {
  const FakeTokenizer tokenizer({"a", "\n", " :b", "c", "\n\n"});
  EXPECT_EQ(tokens_with_any(tokenizer, std::vector<std::string>{"\n", ":"}), tokens_of({1, 2, 4}));
}

}  // namespace
}  // namespace pelton
