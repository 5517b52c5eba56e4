#include "engine/answer.h"

#include <algorithm>
#include <utility>

namespace pelton {

Answer::Answer(std::shared_ptr<const Tokenizer> tokenizer, const GenerationRequest& request,
               std::vector<TokenId> end_tokens, int64_t token_count_max)
    : detokenizer_(std::move(tokenizer), !request.keeps_special_tokens),
      stop_matcher_(request.sampling.stops),
      end_tokens_(std::move(end_tokens)),
      token_count_min_(request.sampling.min_tokens),
      token_count_max_(token_count_max) {}

Answer::Progress Answer::push(TokenId token) {
  ++token_count_;
  const bool is_end_token = std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
  const bool is_last = is_end_token || token_count_ >= token_count_max_;

  std::string text;
  if (!is_end_token) text = detokenizer_.push(token);
  if (is_last) text += detokenizer_.finish();

  Progress progress;
  StopMatcher::Output output;
  if (token_count_ > token_count_min_) {
    output = stop_matcher_.push(text);
  } else {
    output.text = std::move(text);
  }
  progress.text = std::move(output.text);
  if (output.stopped) {
    progress.finish = FinishReason::kStop;
    progress.stop = std::move(output.stopped);
  } else if (is_last) {
    progress.text += stop_matcher_.finish();
    progress.finish = is_end_token ? FinishReason::kStop : FinishReason::kLength;
  }
  return progress;
}

void Answer::end(Progress& progress) {
  StopMatcher::Output output = stop_matcher_.push(detokenizer_.finish());
  progress.text += output.text;
  progress.stop = std::move(output.stopped);
  if (!progress.stop) progress.text += stop_matcher_.finish();
  progress.finish = FinishReason::kStop;
}

}  // namespace pelton
