// How much of a sequence of texts has been there before.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace pelton::data {

struct RepeatedParts {
  size_t count = 0;
  size_t characters = 0;  // of the repeated ones
};
// Of each but the first of equal ones.
RepeatedParts find_repeated(std::span<const std::string_view> parts);

// The n-grams of a text's words, for n in ascending order. An n-gram can only be repeated where the (n-1)-gram at its
// place is: so each n looks only at what is left of the last, and texts without repetition cost one pass.
class RepeatedNgrams {
 public:
  explicit RepeatedNgrams(std::span<const std::string_view> words);

  // Moves on to n-grams; n larger than before.
  void advance(int n);
  bool has_any() const { return static_cast<size_t>(n_) <= lengths_.size(); }
  // Characters of the most frequent n-gram (of several, the first), with a space between its words, times how often it
  // is there.
  size_t top_characters() const { return top_characters_; }
  // Characters of all n-grams that have been there before, none counted twice: left to right, on after each one found.
  size_t duplicate_characters() const;

 private:
  struct Place {
    uint32_t word;
    uint64_t hash;
    uint32_t count;  // in the text
  };
  size_t characters_of(size_t word) const;

  std::vector<uint64_t> hashes_;   // of the words
  std::vector<uint32_t> lengths_;  // in characters, summed up to each word
  std::vector<Place> places_;      // where the n-gram is repeated
  int n_ = 1;
  size_t top_characters_ = 0;
};

}  // namespace pelton::data
