// Which tokens may be chosen at all, and what is added to their logits before anything else looks at them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/request.h"

namespace pelton {

// One for each request.
class TokenRules {
 public:
  // The logit of a token that may not be chosen: its probability is zero at every temperature.
  static const float kForbidden;

  // Of ids below the vocabulary's size. `end_tokens` end the answer, and are forbidden up to min_tokens.
  TokenRules(const SamplingParameters& sampling, std::span<const TokenId> end_tokens);

  // Whether apply() changes anything for the next token.
  bool is_active() const { return has_lists_ || must_go_on(); }
  // How many tokens may not come next, where that is all that apply() changes; none: it changes more.
  std::optional<int64_t> forbidden_count() const;
  // Whether it is one of these.
  bool forbids(TokenId token) const;
  // A token of the answer.
  void record() { ++token_count_; }
  // Logits: [V], finite; stay so.
  void apply(std::span<float> logits) const;

  // Whether any token may be chosen from the first on. Of a vocabulary of this size.
  bool leaves_any(int64_t vocabulary_size) const;

 private:
  bool must_go_on() const { return token_count_ < min_tokens_; }

  std::vector<LogitBias> biases_;
  std::vector<TokenId> allowed_;  // ascending; empty: all
  std::vector<TokenId> banned_;
  std::vector<TokenId> end_tokens_;
  int64_t min_tokens_;
  int64_t token_count_ = 0;
  bool has_lists_;
};

}  // namespace pelton
