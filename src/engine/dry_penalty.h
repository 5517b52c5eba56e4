// "Don't repeat yourself": makes the token that would carry on a repetition less likely, the more the longer it is.
//
// If the last n tokens stand earlier in the text as well, and were followed there by some token, then that token loses
//   multiplier · base^(n - allowed_length)      where n >= allowed_length
// of its logit; n counts the longest such place. No repetition reaches back over a breaker, a token that holds one of
// the breakers' strings: names and list markers may come again.
// Source: P. E. Weidmann, text-generation-webui pull request 5677 (2024).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/request.h"
#include "text/tokenizer.h"

namespace pelton {

// The tokens whose bytes hold any of these strings.
std::vector<TokenId> tokens_with_any(const Tokenizer& tokenizer, std::span<const std::string> strings);

// One for each request: remembers its prompt and answer.
class DryPenalty {
 public:
  // Without a multiplier above 0 it has no effect and keeps nothing.
  DryPenalty(const DryOptions& options, std::span<const TokenId> breakers, std::span<const TokenId> prompt);

  bool is_active() const { return options_.multiplier > 0; }
  // A token of the answer.
  void record(TokenId token);
  // Logits: [V], finite; stay so. Takes time linear in the tokens that it looks back at.
  void apply(std::span<float> logits);

 private:
  int64_t breaker_distance() const;
  void find_repetitions();

  DryOptions options_;
  std::unordered_set<TokenId> breakers_;
  std::vector<TokenId> tokens_;
  std::vector<int64_t> match_lengths_;                // scratch, by the distance from the end
  std::unordered_map<TokenId, int64_t> repetitions_;  // scratch: the longest that each token would carry on
};

}  // namespace pelton
