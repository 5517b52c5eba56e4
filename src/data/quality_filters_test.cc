#include "data/quality_filters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "data/character_class.h"
#include "data/word_splitter.h"

namespace pelton::data {
namespace {

using Results = std::array<std::string, 4>;

Words words_at_space(std::string_view text) {
  Words words;
  for_each_space_separated(text, [&](std::string_view word) { words.push_back(word); });
  return words;
}

Words split(std::string_view text) {
  Words words;
  split_words(text, words);
  return words;
}

Results check(std::string_view text, const Words& words) {
  const auto name_of = [](const std::optional<BrokenRule>& broken) {
    return std::string(broken ? broken->name : "keep");
  };
  std::string kept;
  return {name_of(GopherQuality().check(text, words)), name_of(GopherRepetition().check(text, words)),
          name_of(C4().check(text, kept)), name_of(FineWeb().check(text, words))};
}

// tests/golden/data/make_quality.py: texts, and what datatrove says of them.
class AgreesWithDatatrove : public testing::Test {
 protected:
  void compare(std::string_view which, Words (*split_text)(std::string_view), double agreement_min) {
    const std::string path = std::string(kGoldenDir) + "/data/quality.json";
    const json::value items = parse_json(read_file(path, 1 << 24), path);
    std::array<int, 4> same{};
    for (const json::value& item : items.get_array()) {
      const json::object& object = item.get_object();
      const std::string_view text = object.at("text").get_string();
      const Results ours = check(text, split_text(text));
      for (size_t i = 0; i < ours.size(); ++i) {
        const std::string_view theirs = object.at(which).get_array().at(i).get_string();
        same[i] += ours[i] == theirs;
        seen_.insert(std::string(theirs));
        if (ours[i] != theirs) differences_ += fmt::format("{} for {}: {}\n", ours[i], theirs, text.substr(0, 100));
      }
    }
    for (const int count : same) {
      EXPECT_GE(count, agreement_min * static_cast<double>(items.get_array().size())) << differences_;
    }
  }

  std::set<std::string> seen_;
  std::string differences_;
};

TEST_F(AgreesWithDatatrove, OnTheSameWords) {
  compare("space", words_at_space, 0.999);
  EXPECT_GE(seen_.size(), 20u);  // the texts do break the rules
}

TEST_F(AgreesWithDatatrove, OnOurWordsAndSpacys) { compare("spacy", split, 0.98); }

TEST(QualityFilters, NothingBreaksOnEmptyAndOddTexts) {
  for (const std::string_view text : {"", " ", "\n", "\n\n\n", ".", "\xFF\xFE", "a", "…", "[", "[12"}) {
    const Results results = check(text, split(text));
    EXPECT_EQ(results[0], "gopher_short_doc") << text;
    EXPECT_EQ(results[2], "too_few_sentences") << text;
  }
}

TEST(QualityFilters, BoundsOfZeroAreNotAskedFor) {
  GopherQuality rules;
  rules.words_min = 0;
  rules.stop_words_min = 0;
  EXPECT_FALSE(rules.check("Nothing here counts", split("Nothing here counts")));
}

TEST(QualityFilters, C4TakesLinesOutAndKeepsTheRest) {
  C4 rules;
  rules.sentences_min = 2;
  std::string kept;
  EXPECT_FALSE(rules.check(
      "A menu\n  This is a sentence.[1] \nShort.\nEnable JavaScript to go on.\nAnother one, \"quoted\"\n", kept));
  EXPECT_EQ(kept, "This is a sentence.\nAnother one, \"quoted\"");
}

}  // namespace
}  // namespace pelton::data
