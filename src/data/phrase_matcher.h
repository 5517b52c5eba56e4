// Finds words and phrases of a list in texts, whatever their case and whatever stands between their words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pelton::data {

struct PhraseMatch {
  size_t phrase;  // its place in the list
  size_t first_word;
  size_t begin, end;  // bytes of the text
};

// Immutable; any thread.
class PhraseMatcher {
 public:
  // Words as WordNormalization::kWords has them; a phrase without any matches nothing.
  explicit PhraseMatcher(std::vector<std::string> phrases);

  // In the text's order; where several begin at one word the longest, and none that overlaps an earlier one.
  std::vector<PhraseMatch> find(std::string_view text) const;
  const std::string& phrase(size_t index) const { return phrases_[index]; }

 private:
  struct Candidate {
    size_t phrase;
    std::vector<uint64_t> words;
  };
  std::vector<std::string> phrases_;
  std::unordered_map<uint64_t, std::vector<Candidate>> by_first_word_;  // the longest first
};

// Lists that are built in, by name: "refusal", "hedging", "unasked_advice", "ai_disclosure"; English.
std::vector<std::string_view> phrase_list_names();
// Error: there is none of that name; then the result is empty.
std::vector<std::string> phrase_list(std::string_view name);

}  // namespace pelton::data
