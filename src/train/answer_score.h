// What a model thinks of a reference answer.
#pragma once

#include <cstdint>

namespace pelton {

struct AnswerScore {
  double nll = 0;           // negative log-likelihood of all its tokens, in nats
  int64_t token_count = 0;  // with the end token
  // No token is likelier at any of them, given the reference up to there: so greedy sampling says this answer, token by
  // token, and ends.
  bool is_greedy = false;

  friend bool operator==(const AnswerScore&, const AnswerScore&) = default;
};

}  // namespace pelton
