// How answers look on the wire, per endpoint: pure functions of what the engine said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/request.h"
#include "text/tokenizer.h"

namespace pelton::openai {

struct AnswerIdentity {
  std::string id;       // "chatcmpl-…"
  int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string fingerprint;
};

// Text and tokens that belong together: a part of one choice, or all of it.
struct Piece {
  std::string text;
  std::vector<SampledToken> tokens;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompts, found in the prefix cache
};

struct Choice {
  Piece piece;
  FinishReason reason = FinishReason::kStop;
};

// One answer's form: as one object, or as chunks of a stream: opening, piece …, remainder, closing for each choice,
// then usage. Keeps count of positions, so pieces of a choice come in order. One thread.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  virtual json::object whole(const std::vector<Choice>& choices, const Usage& usage) = 0;
  // The chunk before a choice's first piece; absent: there is none.
  virtual std::optional<json::object> opening(size_t index) = 0;
  // Absent: nothing of it may be shown yet.
  virtual std::optional<json::object> piece(size_t index, const Piece& piece) = 0;
  // The chunk after a choice's last piece, of what was held back; absent: nothing was.
  virtual std::optional<json::object> remainder(size_t index) = 0;
  virtual json::object closing(size_t index, FinishReason reason) = 0;
  virtual json::object usage_chunk(const Usage& usage) = 0;
};

struct AnswerOptions {
  AnswerIdentity identity;
  std::shared_ptr<const Tokenizer> tokenizer;
  bool has_logprobs = false;
  bool has_usage_chunk = false;  // then the other chunks say "usage": null
};

json::object usage_object(const Usage& usage);
// A token's bytes as text, U+FFFD where they are only a part of a character.
std::string shown(std::string_view bytes);
// OpenAI's stand-in for minus infinity, which JSON does not have.
double finite_logprob(float logprob);

// The members that all answers of one kind share; `object` is "chat.completion", "text_completion", ….
json::object answer_frame(const AnswerIdentity& identity, std::string_view object);

}  // namespace pelton::openai
