#include "text/detokenizer_stream.h"

#include <utility>

#include "text/utf8.h"

namespace pelton {

DetokenizerStream::DetokenizerStream(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

std::string DetokenizerStream::push(TokenId token) {
  if (skip_special_ && tokenizer_->is_special(token)) return "";
  std::string_view bytes = tokenizer_->token_bytes(token);
  if (bytes.empty()) return "";
  if (at_start_ && tokenizer_->strips_first_space() && bytes.front() == ' ') bytes.remove_prefix(1);
  at_start_ = false;
  pending_ += bytes;
  return take_decided_utf8(pending_);
}

std::string DetokenizerStream::finish() {
  return std::exchange(pending_, {}).empty() ? "" : std::string(kReplacementCharacter);
}

}  // namespace pelton
