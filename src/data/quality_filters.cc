#include "data/quality_filters.h"

#include <algorithm>
#include <array>

#include "data/character_class.h"
#include "data/repeated_parts.h"
#include "data/word_splitter.h"

namespace pelton::data {
namespace {

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

double ratio(size_t part, size_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

template <typename Test>
bool any_character(std::string_view word, const Test& test) {
  while (!word.empty()) {
    const EndCharacter first = first_character(word);
    if (test(first.classes)) return true;
    word.remove_prefix(first.size);
  }
  return false;
}
bool has_letter(std::string_view word) {
  return any_character(word, [](CharacterClass classes) { return (classes & kLetter) != 0; });
}
bool is_all_signs(std::string_view word) {
  return !any_character(word, [](CharacterClass classes) { return (classes & kSign) == 0; });
}

constexpr auto kStopWords = std::to_array<std::string_view>({"the", "be", "to", "of", "and", "that", "have", "with"});

int64_t count_stop_words(const Words& words) {
  uint32_t found = 0;
  for (const std::string_view word : words) {
    if (word.size() < 2 || word.size() > 4) continue;
    for (size_t i = 0; i < kStopWords.size(); ++i) found |= static_cast<uint32_t>(word == kStopWords[i]) << i;
  }
  return __builtin_popcount(found);
}

// Parts of the text between runs of at least `breaks_min` newlines; also those at its ends, which are empty then.
std::vector<std::string_view> split_at_newlines(std::string_view text, size_t breaks_min) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at)) {
    const size_t end = std::min(text.find_first_not_of('\n', at), text.size());
    if (end - at >= breaks_min) {
      parts.push_back(text.substr(begin, at - begin));
      begin = end;
    }
    at = end;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

bool ends_with_ellipsis(std::string_view line) {
  const std::string_view stripped = strip(line);
  return stripped.ends_with("...") || stripped.ends_with("…");
}

bool starts_with_bullet(std::string_view line) {
  const std::string_view stripped = strip(line);
  return stripped.starts_with("•") || stripped.starts_with("-");
}

}  // namespace

std::optional<BrokenRule> GopherQuality::check(std::string_view text, const Words& words) const {
  const auto below = [](std::string_view name, double value, double min) {
    return min != 0 && value < min ? std::optional(BrokenRule{name, value, min}) : std::nullopt;
  };
  const auto above = [](std::string_view name, double value, double max) {
    return max != 0 && value > max ? std::optional(BrokenRule{name, value, max}) : std::nullopt;
  };
  size_t with_letters = 0;
  size_t counted = 0;  // words that are not all signs
  size_t characters = 0;
  for (const std::string_view word : words) {
    if (has_letter(word)) {
      ++with_letters;
    } else if (is_all_signs(word)) {
      continue;
    }
    ++counted;
    characters += count_characters(word);
  }
  if (auto broken = below("gopher_short_doc", static_cast<double>(counted), static_cast<double>(words_min)))
    return broken;
  if (auto broken = above("gopher_long_doc", static_cast<double>(counted), static_cast<double>(words_max)))
    return broken;
  if (counted == 0) return BrokenRule{"gopher_short_doc", 0, 1};  // there is nothing to take shares of
  const double length = ratio(characters, counted);
  if (auto broken = below("gopher_below_avg_threshold", length, word_length_min)) return broken;
  if (auto broken = above("gopher_above_avg_threshold", length, word_length_max)) return broken;
  const double hashes = ratio(count_of(text, "#"), words.size());
  if (auto broken = above("gopher_too_many_hashes", hashes, symbols_per_word_max)) return broken;
  const double ellipses = ratio(count_of(text, "...") + count_of(text, "…"), words.size());
  if (auto broken = above("gopher_too_many_ellipsis", ellipses, symbols_per_word_max)) return broken;

  size_t lines = 0;
  size_t bullets = 0;
  size_t ends_with_dots = 0;
  for_each_line(text, [&](std::string_view line) {
    ++lines;
    bullets += starts_with_bullet(line);
    ends_with_dots += ends_with_ellipsis(line);
  });
  if (auto broken = above("gopher_too_many_bullets", ratio(bullets, lines), bullet_lines_max)) return broken;
  if (auto broken = above("gopher_too_many_end_ellipsis", ratio(ends_with_dots, lines), ellipsis_lines_max))
    return broken;
  const double letters = ratio(with_letters, words.size());
  if (auto broken = below("gopher_below_alpha_threshold", letters, letter_words_min)) return broken;
  return below("gopher_enough_stop_words", static_cast<double>(count_stop_words(words)),
               static_cast<double>(stop_words_min));
}

std::optional<BrokenRule> GopherRepetition::check(std::string_view text, const Words& words) const {
  constexpr std::array<std::string_view, 3> kTopNames = {"top_2_gram", "top_3_gram", "top_4_gram"};
  constexpr std::array<std::string_view, 6> kDuplicateNames = {"duplicated_5_n_grams", "duplicated_6_n_grams",
                                                               "duplicated_7_n_grams", "duplicated_8_n_grams",
                                                               "duplicated_9_n_grams", "duplicated_10_n_grams"};
  if (text.empty()) return BrokenRule{"empty"};
  const size_t characters = count_characters(text);
  const auto above = [](std::string_view name, double value, double max) {
    return max != 0 && value > max ? std::optional(BrokenRule{name, value, max}) : std::nullopt;
  };
  const std::vector<std::string_view> paragraphs = split_at_newlines(strip(text), 2);
  const RepeatedParts same_paragraphs = find_repeated(paragraphs);
  if (auto broken = above("dup_para_frac", ratio(same_paragraphs.count, paragraphs.size()), duplicate_paragraphs_max)) {
    return broken;
  }
  if (auto broken = above("dup_para_char_frac", ratio(same_paragraphs.characters, characters),
                          duplicate_paragraph_characters_max)) {
    return broken;
  }
  const std::vector<std::string_view> lines = split_at_newlines(text, 1);
  const RepeatedParts same_lines = find_repeated(lines);
  if (auto broken = above("dup_line_frac", ratio(same_lines.count, lines.size()), duplicate_lines_max)) return broken;
  if (auto broken =
          above("dup_line_char_frac", ratio(same_lines.characters, characters), duplicate_line_characters_max)) {
    return broken;
  }
  RepeatedNgrams ngrams(words);
  for (size_t i = 0; i < kTopNames.size(); ++i) {
    ngrams.advance(kTopFirst + static_cast<int>(i));
    if (!ngrams.has_any()) continue;
    if (auto broken = above(kTopNames[i], ratio(ngrams.top_characters(), characters), top_ngram_max[i])) return broken;
  }
  for (size_t i = 0; i < kDuplicateNames.size(); ++i) {
    ngrams.advance(kDuplicateFirst + static_cast<int>(i));
    const double share = ratio(ngrams.duplicate_characters(), characters);
    if (auto broken = above(kDuplicateNames[i], share, duplicate_ngrams_max[i])) return broken;
  }
  return std::nullopt;
}

namespace {

// "[12]", "[edit]", "[citation needed]" go.
void append_without_citations(std::string_view line, std::string& target) {
  while (true) {
    const size_t open = line.find('[');
    target.append(line.substr(0, open));
    if (open == std::string_view::npos) return;
    line.remove_prefix(open);
    size_t size = 0;
    for (const std::string_view citation : {"[edit]", "[citation needed]"}) {
      if (line.starts_with(citation)) size = citation.size();
    }
    if (const size_t end = line.find_first_not_of("0123456789", 1); end != std::string_view::npos && line[end] == ']') {
      size = end + 1;
    }
    if (size == 0) {
      target.push_back('[');
      size = 1;
    }
    line.remove_prefix(size);
  }
}

bool ends_a_sentence(std::string_view line) {
  return !line.empty() && std::string_view(".?!\"'").find(line.back()) != std::string_view::npos &&
         !line.ends_with("...");
}

constexpr auto kPolicyPhrases = std::to_array<std::string_view>(
    {"terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"});

void lower_ascii(std::string_view text, std::string& lower) {
  lower.resize(text.size());
  std::transform(text.begin(), text.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
}

}  // namespace

std::optional<BrokenRule> C4::check(std::string_view text, std::string& kept) const {
  kept.clear();
  int64_t sentences = 0;
  std::string_view broken;
  std::string line;
  std::string lower;
  const auto contains = [&lower](std::string_view phrase) { return lower.find(phrase) != std::string::npos; };
  for_each_line(text, [&](std::string_view whole_line) {
    if (!broken.empty()) return;
    const std::string_view stripped = strip(whole_line);
    int64_t words = 0;
    size_t longest = 0;
    for_each_space_separated(stripped, [&](std::string_view word) {
      ++words;
      if (word.size() > longest) longest = std::max(longest, count_characters(word));
    });
    if (word_length_max != 0 && longest > static_cast<size_t>(word_length_max)) return;
    line.clear();
    if (removes_citations) {
      append_without_citations(stripped, line);
    } else {
      line = stripped;
    }
    if (needs_terminal_punctuation && !ends_a_sentence(line)) return;
    if (words < words_per_line_min) return;
    lower_ascii(line, lower);
    if (drops_lorem_ipsum && contains("lorem ipsum")) {
      broken = "lorem_ipsum";
      return;
    }
    if (removes_javascript_lines && contains("javascript")) return;
    if (drops_curly_brackets && line.find('{') != std::string::npos) {
      broken = "curly_bracket";
      return;
    }
    if (removes_policy_lines && std::any_of(kPolicyPhrases.begin(), kPolicyPhrases.end(), contains)) return;
    if (sentences_min != 0) sentences += count_sentences(line);
    if (!kept.empty()) kept += '\n';
    kept += line;
  });
  if (!broken.empty()) return BrokenRule{broken, 1, 0};
  if (sentences < sentences_min) {
    return BrokenRule{"too_few_sentences", static_cast<double>(sentences), static_cast<double>(sentences_min)};
  }
  kept = std::string(strip(kept));
  return std::nullopt;
}

std::optional<BrokenRule> FineWeb::check(std::string_view text, const Words& words) const {
  std::vector<std::string_view> lines;
  size_t terminal = 0;
  size_t short_ones = 0;
  size_t newlines = 0;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    newlines += end < text.size();
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (strip(line).empty()) continue;
    lines.push_back(line);
    terminal += (last_character(line).classes & kTerminal) != 0;
    short_ones += count_characters(line) <= static_cast<size_t>(short_line_characters);
  }
  if (lines.empty()) return BrokenRule{"empty"};
  const double terminal_share = ratio(terminal, lines.size());
  if (terminal_share < terminal_lines_min) return BrokenRule{"line_punct_ratio", terminal_share, terminal_lines_min};
  const double short_share = ratio(short_ones, lines.size());
  if (short_share > short_lines_max) return BrokenRule{"short_line_ratio", short_share, short_lines_max};
  const double same_share = ratio(find_repeated(lines).characters, count_characters(text) - newlines);
  if (same_share > duplicate_line_characters_max) {
    return BrokenRule{"char_dup_ratio", same_share, duplicate_line_characters_max};
  }
  const double list_share = ratio(newlines, words.size());
  if (list_share > lines_per_word_max) return BrokenRule{"list_ratio", list_share, lines_per_word_max};
  return std::nullopt;
}

}  // namespace pelton::data
