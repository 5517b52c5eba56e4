#include "io/hub/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton {
namespace {

struct GlobCase {
  const char* pattern;
  const char* text;
  bool matches;
};

// What Python's fnmatch.fnmatchcase says.
constexpr GlobCase kCases[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "a/b.gguf", true},
    {"*Q4_K_M.gguf", "SmolLM-Q4_K_M.gguf", true},
    {"*Q4_K_M.gguf", "sub/SmolLM-Q4_K_M.gguf", true},
    {"*Q4_K_M.gguf", "SmolLM-q4_k_m.gguf", false},
    {"*Q4_K_M.gguf", "SmolLM-Q4_K_M.gguf.txt", false},
    {"a*b*c", "a-b-b-c", true},
    {"a*b*c", "a-c-b", false},
    {"?.txt", "a.txt", true},
    {"?.txt", ".txt", false},
    {"[abc].x", "b.x", true},
    {"[abc].x", "d.x", false},
    {"[a-c0-3]*", "2z", true},
    {"[!a-c]", "b", false},
    {"[!a-c]", "d", true},
    {"[]]", "]", true},
    {"[!]]", "]", false},
    {"[a-]", "-", true},
    {"[abc", "[abc", true},
    {"[abc", "a", false},
    {"**a**", "bab", true},
};

TEST(GlobTest, MatchesAsFnmatchDoes) {
  for (const GlobCase& c : kCases) EXPECT_EQ(glob_matches(c.pattern, c.text), c.matches) << c.pattern << " " << c.text;
}

TEST(GlobTest, ManyStarsTakeNoLongerThanTheProductOfLengths) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  // Exponential backtracking would not end.
  EXPECT_FALSE(glob_matches(pattern + "*b", std::string(2000, 'a')));
}

TEST(GlobTest, KnowsWildcards) {
  EXPECT_TRUE(has_wildcard("*.gguf") && has_wildcard("a?") && has_wildcard("[ab]"));
  EXPECT_FALSE(has_wildcard("model.safetensors"));
}

}  // namespace
}  // namespace pelton
