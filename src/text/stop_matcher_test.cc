#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace pelton {
namespace {

struct Result {
  std::string shown;
  std::optional<std::string> stopped;
  bool operator==(const Result&) const = default;
};

Result run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  Result result;
  for (const std::string& piece : pieces) {
    StopMatcher::Output output = matcher.push(piece);
    result.shown += output.text;
    if (output.stopped) {
      EXPECT_FALSE(result.stopped) << "stopped twice";
      result.stopped = output.stopped;
    }
  }
  result.shown += matcher.finish();
  return result;
}

// By definition: the stop string whose end comes first; of those, the longest.
Result expected(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::string> best;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop) && (!best || stop.size() > best->size())) best = stop;
    }
    if (best) return {text.substr(0, end - best->size()), best};
  }
  return {text, std::nullopt};
}

TEST(StopMatcher, EverySplitOfATextGivesTheSame) {
  const std::vector<std::vector<std::string>> stop_sets = {
      {"</s>"}, {"aab"}, {"aba", "ba"}, {"abcd", "bc"}, {"a", "aa"}, {"aaa", "ab"}, {"abab", "babb", "bb"}, {"xyz"}};
  Rng rng(20);
  for (const auto& stops : stop_sets) {
    for (int round = 0; round < 40; ++round) {
      std::string text = "ab";
      while (text.size() < 11) text += "aabbcd</s>"[rng.next_below(round % 2 == 0 ? 4 : 10)];
      const Result want = expected(stops, text);
      for (unsigned cuts = 0; cuts < 1u << (text.size() - 1); ++cuts) {
        std::vector<std::string> pieces = {""};
        for (size_t i = 0; i < text.size(); ++i) {
          pieces.back() += text[i];
          if (cuts >> i & 1) pieces.emplace_back();
        }
        ASSERT_EQ(run(stops, pieces), want) << text << " cut at " << cuts;
      }
    }
  }
}

TEST(StopMatcher, ShowsNothingThatMayBeginAStop) {
  StopMatcher matcher({"\n\n", "STOP"});
  EXPECT_EQ(matcher.push("one\n").text, "one");
  EXPECT_EQ(matcher.push("two ST").text, "\ntwo ");
  EXPECT_EQ(matcher.push("EP").text, "STEP");
  const auto output = matcher.push("\nS\n\nlost");
  EXPECT_EQ(output.text, "\nS");
  EXPECT_EQ(output.stopped, "\n\n");
  EXPECT_EQ(matcher.push("more").text, "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, NeverCutsACharacter) {
  StopMatcher matcher({"日本", "é!"});
  EXPECT_EQ(matcher.push("né").text, "n");
  EXPECT_EQ(matcher.push("日").text, "é");
  EXPECT_EQ(matcher.push("曜").text, "日曜");
}

TEST(StopMatcher, WithoutStopsAllPasses) { EXPECT_EQ(run({}, {"a", "", "b"}), (Result{"ab", std::nullopt})); }

TEST(StopMatcher, RefusesAnEmptyStop) {
  try {
    StopMatcher matcher({"x", ""});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parameter(), "stop");
  }
}

}  // namespace
}  // namespace pelton
