// Rules of quality for running text under their published parameters. Each says nothing where a text passes, else the
// first rule that it breaks, by datatrove's name, so that results can be compared; same order of the rules.
//
// The words are whoever calls's: split_words() gives nearly datatrove's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pelton::data {

using Words = std::vector<std::string_view>;

struct BrokenRule {
  std::string_view name;  // static
  double value = 0;       // what the text has
  double bound = 0;       // which it had to keep
};

// Rae et al. 2021 (arXiv 2112.11446), A1.1. A bound of 0 is not asked for.
struct GopherQuality {
  int64_t words_min = 50;
  int64_t words_max = 100000;
  double word_length_min = 3;
  double word_length_max = 10;
  double symbols_per_word_max = 0.1;  // # or …
  double bullet_lines_max = 0.9;
  double ellipsis_lines_max = 0.3;
  double letter_words_min = 0.8;
  int64_t stop_words_min = 2;  // different ones of: the be to of and that have with

  std::optional<BrokenRule> check(std::string_view text, const Words& words) const;
};

// The same paper, table A1: shares of the text's characters, or of its lines and paragraphs.
struct GopherRepetition {
  static constexpr int kTopFirst = 2;
  static constexpr int kDuplicateFirst = 5;
  double duplicate_lines_max = 0.3;
  double duplicate_paragraphs_max = 0.3;
  double duplicate_line_characters_max = 0.2;
  double duplicate_paragraph_characters_max = 0.2;
  double top_ngram_max[3] = {0.2, 0.18, 0.16};                            // of 2, 3, 4 words
  double duplicate_ngrams_max[6] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};  // of 5 to 10 words

  std::optional<BrokenRule> check(std::string_view text, const Words& words) const;
};

// Raffel et al. 2020 (JMLR 21, 140), 2.2: lines are taken out one by one, then what is left is judged.
struct C4 {
  int64_t sentences_min = 5;
  int64_t words_per_line_min = 3;
  int64_t word_length_max = 1000;
  bool removes_citations = true;
  bool needs_terminal_punctuation = true;
  bool drops_lorem_ipsum = true;
  bool removes_javascript_lines = true;
  bool drops_curly_brackets = true;
  bool removes_policy_lines = true;

  // `kept` gets what is left of the text.
  std::optional<BrokenRule> check(std::string_view text, std::string& kept) const;
};

// Penedo et al. 2024 (arXiv 2406.17557), 3.6.
struct FineWeb {
  double terminal_lines_min = 0.12;
  double short_lines_max = 0.67;
  int64_t short_line_characters = 30;
  double duplicate_line_characters_max = 0.01;
  double lines_per_word_max = 0.3;

  std::optional<BrokenRule> check(std::string_view text, const Words& words) const;
};

}  // namespace pelton::data
