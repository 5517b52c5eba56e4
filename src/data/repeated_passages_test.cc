// Against a plain map of all runs of words.
#include "data/repeated_passages.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/rng.h"
#include "base/test_folder.h"

namespace pelton::data {
namespace {

constexpr uint64_t kSeed = 4;

using Texts = std::vector<std::vector<uint64_t>>;

// For each text which words lie in a run that is there earlier, without overlap with that earliest one.
std::vector<std::vector<bool>> repeated_words(const Texts& texts, size_t length) {
  std::map<std::vector<uint64_t>, uint64_t> first_place;
  std::vector<std::vector<bool>> repeated;
  uint64_t begin = 0;
  for (const std::vector<uint64_t>& text : texts) {
    std::vector<bool> of_text(text.size(), false);
    for (size_t i = 0; i + length <= text.size(); ++i) {
      const auto at = text.begin() + static_cast<std::ptrdiff_t>(i);
      const auto [first, is_new] =
          first_place.emplace(std::vector<uint64_t>(at, at + static_cast<std::ptrdiff_t>(length)), begin + i);
      if (is_new || begin + i - first->second < length) continue;
      for (size_t word = i; word < i + length; ++word) of_text[word] = true;
    }
    repeated.push_back(of_text);
    begin += text.size();
  }
  return repeated;
}

std::vector<std::vector<bool>> found_words(const Texts& texts, size_t length, size_t memory_bytes_max) {
  const TestFolder folder;
  std::vector<uint64_t> words, counts;
  std::vector<std::vector<bool>> found;
  for (const std::vector<uint64_t>& text : texts) {
    words.insert(words.end(), text.begin(), text.end());
    counts.push_back(text.size());
    found.emplace_back(text.size(), false);
  }
  std::optional<uint64_t> last;
  find_repeated_passages(words, counts, {length, folder.path(), memory_bytes_max},
                         [&](uint64_t text, const std::vector<RepeatedPassage>& passages) {
                           EXPECT_TRUE(!last || *last < text);
                           last = text;
                           for (const RepeatedPassage& passage : passages) {
                             EXPECT_LE(passage.original, text);
                             for (uint64_t i = passage.begin; i < passage.end; ++i) found[text][i] = true;
                           }
                         });
  return found;
}

// Few different words, so that runs repeat by chance, and passages copied from earlier texts.
Texts some_texts(Rng& rng) {
  Texts texts;
  for (int t = 0; t < 60; ++t) {
    std::vector<uint64_t> text;
    for (uint64_t i = rng.next_below(40); i > 0; --i) text.push_back(rng.next_below(4));
    if (!texts.empty() && rng.next_below(2) == 0) {
      const std::vector<uint64_t>& other = texts[rng.next_below(texts.size())];
      text.insert(text.end(), other.begin(), other.end());
    }
    texts.push_back(text);
  }
  return texts;
}

TEST(RepeatedPassages, AreThoseThatAPlainMapFinds) {
  Rng rng(kSeed);
  for (const size_t length : {1u, 2u, 5u, 9u, 20u}) {
    const Texts texts = some_texts(rng);
    EXPECT_EQ(found_words(texts, length, size_t{1} << 20), repeated_words(texts, length)) << length;
    EXPECT_EQ(found_words(texts, length, 4096), repeated_words(texts, length)) << length << ", little memory";
  }
}

TEST(RepeatedPassages, OfOneThatRepeatsItselfTheFirstStays) {
  const Texts texts = {std::vector<uint64_t>(23, 7)};
  std::vector<bool> expected(23, true);
  std::fill(expected.begin(), expected.begin() + 10, false);
  EXPECT_EQ(found_words(texts, 10, 4096), (std::vector<std::vector<bool>>{expected}));
}

}  // namespace
}  // namespace pelton::data
