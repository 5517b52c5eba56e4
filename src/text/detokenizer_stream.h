// Tokens in, text out, one at a time: never half a UTF-8 character. One stream belongs to one request.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace pelton {

class DetokenizerStream {
 public:
  // Control tokens add nothing to the text where `skip_special`.
  DetokenizerStream(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special);

  // The text that became complete with this token; empty while a character is unfinished. Bytes that can never become
  // UTF-8 come out as U+FFFD, one for each maximal bad part (the Unicode standard's recommended practice).
  std::string push(TokenId token);
  // What is still held back, as U+FFFD, at the end of the answer.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  bool at_start_ = true;
  std::string pending_;  // at most 3 bytes of an unfinished character
};

}  // namespace pelton
