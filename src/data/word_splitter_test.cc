#include "data/word_splitter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace pelton::data {
namespace {

std::string split(std::string_view text) {
  std::vector<std::string_view> words;
  split_words(text, words);
  return fmt::format("{}", fmt::join(words, "|"));
}

// What spaCy 3.8's blank English pipeline gives.
TEST(WordSplitter, SplitsAsSpacyDoes) {
  EXPECT_EQ(split("Hello, world!"), "Hello|,|world|!");
  EXPECT_EQ(split("don't can't I'm they'll it's John's"), "do|n't|ca|n't|I|'m|they|'ll|it|'s|John|'s");
  EXPECT_EQ(split("cannot dont gonna"), "can|not|do|nt|gon|na");
  EXPECT_EQ(split("(foo) [bar] \"baz\""), "(|foo|)|[|bar|]|\"|baz|\"");
  EXPECT_EQ(split("well-known x/y a,b 3,000 1-2"), "well|-|known|x|/|y|a|,|b|3,000|1|-|2");
  EXPECT_EQ(split("www.example.org/a-b, bob@x.de foo.bar.Baz"), "www.example.org/a-b|,|bob@x.de|foo.bar|.|Baz");
  EXPECT_EQ(split("12km 5% $10 10$ 10am"), "12|km|5|%|$|10|10|$|10|am");
  EXPECT_EQ(split("wait... e.g. Mr. Smith U.S. end."), "wait|...|e.g.|Mr.|Smith|U.S.|end|.");
  EXPECT_EQ(split("f(x): foo_bar -x +1 #tag"), "f(x|)|:|foo_bar|-x|+1|#|tag");
  EXPECT_EQ(split("“Ja”—naïve…"), "“|Ja”—naïve|…");
  EXPECT_EQ(split("  \t\n "), "");
}

TEST(WordSplitter, BytesThatAreNoUtf8) { EXPECT_EQ(split("a\xFF b\xC3"), "a|\xFF|b|\xC3"); }

TEST(WordSplitter, WordsAreThoseOfTheTextAsItIsNow) {
  std::string text = "one two";
  EXPECT_EQ(words_of(text), (std::vector<std::string_view>{"one", "two"}));
  EXPECT_EQ(words_of(text).size(), 2u);
  text[3] = '-';  // the same place, another text
  EXPECT_EQ(words_of(text), (std::vector<std::string_view>{"one", "-", "two"}));
}

TEST(WordSplitter, Sentences) {
  EXPECT_EQ(count_sentences("One. Two! Three?"), 3);
  EXPECT_EQ(count_sentences("He said \"no.\" Then left."), 2);
  EXPECT_EQ(count_sentences("Mr. Smith paid 3.50 for it"), 1);
  EXPECT_EQ(count_sentences(""), 0);
}

}  // namespace
}  // namespace pelton::data
