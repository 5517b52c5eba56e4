// Finds the text of added tokens in a text, as Hugging Face's tokenizers do: from left to right, the longest first.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace pelton {

// A set of strings to look for. The strings must outlive it.
class StringSet {
 public:
  void insert(std::string_view string, size_t value);
  void prepare();  // after the last insert()

  struct Match {
    size_t size = 0;  // of the longest string that `text` begins with; 0: none
    size_t value = 0;
    bool may_go_on = false;  // `text` as a whole is the beginning of a longer string
  };
  // O(size of the match × log(number of strings)).
  Match match(std::string_view text) const;
  bool empty() const { return strings_.empty(); }
  // Some string begins with this byte.
  bool may_begin(char byte) const {
    const auto value = static_cast<unsigned char>(byte);
    return first_[value] != first_[value + 1];
  }

 private:
  struct Item {
    std::string_view string;
    size_t value;
  };
  std::vector<Item> strings_;           // sorted
  std::array<size_t, 257> first_ = {};  // by first byte: where those strings begin
};

// Immutable; keeps a reference to the tokens.
class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::span<const AddedToken> tokens);

  // `allows(match)`: false where this match is to be ordinary text; then shorter ones at the same place are tried, then
  // the next byte.
  using Predicate = std::function<bool(const AddedTokenMatch&)>;
  std::vector<AddedTokenMatch> find(std::string_view text, const Predicate& allows) const;

 private:
  void find_in(const StringSet& set, std::string_view text, size_t begin, size_t end, const Predicate& allows,
               std::vector<AddedTokenMatch>& matches) const;

  std::span<const AddedToken> tokens_;
  StringSet raw_, normalized_;
};

}  // namespace pelton
