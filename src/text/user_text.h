// Tells what users wrote from what a chat template wrote, after both became one text.
//
// A special token is forged by its signs: the <, |, > of <|im_end|>. So wherever a string of a request contains a
// guarded token, or begins or ends with a part of one (the rest may come from the template, or from the next string),
// the signs of that part are replaced by stand-ins: characters that occur nowhere in the request. The template renders
// them like any other letter; afterwards every stand-in becomes its sign again, and its place is known to be a user's.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/added_token_matcher.h"

namespace pelton {

// The texts of tokens that somebody may not write.
class GuardedTexts {
 public:
  // The texts must outlive it.
  explicit GuardedTexts(const std::vector<std::string_view>& texts);
  GuardedTexts(const GuardedTexts&) = delete;
  GuardedTexts& operator=(const GuardedTexts&) = delete;

  // For each byte of `text`: a character begins there that belongs to a guarded text, or to what may become one.
  std::vector<bool> find_in(std::string_view text) const;

 private:
  void mark_whole_tokens(std::string_view text, std::vector<bool>& is_marked) const;
  void mark_edges(std::string_view text, size_t offset, std::vector<bool>& is_marked) const;
  static void mark_signs(std::string_view text, size_t offset, std::vector<bool>& is_marked);

  std::vector<std::string_view> texts_;
  std::vector<std::string> reversed_texts_;
  StringSet forwards_, backwards_;
  size_t longest_ = 0;
};

class UserTextMarker {
 public:
  // Looks at all strings in `value` (keys too), to know which characters are free to stand in, and whether any marking
  // is needed at all. Call for everything that the template sees, then mark() the parts that users wrote.
  void survey(const json::value& value);
  void survey(std::string_view text);
  // Error kInvalidArgument: no character is free any more.
  json::value mark(const json::value& value, const GuardedTexts& guarded);
  bool has_marked() const { return !stand_ins_.empty(); }

  struct Unmarked {
    std::string text;
    std::vector<size_t> user_signs;  // bytes of `text` where a user's sign begins, ascending
  };
  Unmarked unmark(std::string_view rendered) const;

 private:
  std::string mark_string(std::string_view text, const GuardedTexts& guarded);
  char32_t stand_in_for(std::string_view sign);

  std::set<char32_t> used_;                    // in the range of stand-ins
  std::map<std::string, char32_t> stand_ins_;  // by sign
  std::map<char32_t, std::string> signs_;      // by stand-in
};

}  // namespace pelton
