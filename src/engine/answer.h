// Turns the sampled tokens of one request into its answer: text, and where it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "text/detokenizer_stream.h"
#include "text/stop_matcher.h"
#include "text/tokenizer.h"

namespace pelton {

class Answer {
 public:
  // At most `token_count_max` >= 1 tokens. `end_tokens`: those that end the answer and give no text.
  Answer(std::shared_ptr<const Tokenizer> tokenizer, const GenerationRequest& request, std::vector<TokenId> end_tokens,
         int64_t token_count_max);

  struct Progress {
    std::string text;                    // may be shown now
    std::optional<FinishReason> finish;  // the answer ends with this token
    std::optional<std::string> stop;     // the stop string that ended it
  };
  // The next token. Not after a finish.
  Progress push(TokenId token);

  // Nothing follows: ends the answer with its last token, whose `progress` did not.
  void end(Progress& progress);

  int64_t token_count() const { return token_count_; }

 private:
  DetokenizerStream detokenizer_;
  StopMatcher stop_matcher_;
  std::vector<TokenId> end_tokens_;
  int64_t token_count_ = 0;
  int64_t token_count_min_;  // no stop is looked for in the text of the tokens up to this one
  int64_t token_count_max_;
};

}  // namespace pelton
