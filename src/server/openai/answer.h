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
#include "server/http/http_error.h"
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
  std::optional<std::string> stop = {};  // the stop string that ended it
  std::optional<BeamScore> beam = {};    // of a beam search
};

struct Event {
  std::string_view name;  // empty: none, as on OpenAI's older endpoints
  json::object data;
};
using Events = std::vector<Event>;

// One answer's form: as one object, or as events of a stream: opening, piece …, closing for each choice, then the end.
// Keeps count of positions, so pieces of a choice come in order. One thread.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  // Before a choice's opening, where the prompt's log-probabilities were asked for: its tokens.
  virtual void set_prompt(size_t /*index*/, std::vector<SampledToken> /*tokens*/) {}
  virtual json::object whole(const std::vector<Choice>& choices, const Usage& usage) = 0;
  // Before a choice's first piece.
  virtual Events opening(size_t index) = 0;
  // None: nothing of it may be shown yet.
  virtual Events piece(size_t index, const Piece& piece) = 0;
  // After a choice's last piece: what was held back, and why it ended. `ending` has no piece.
  virtual Events closing(size_t index, const Choice& ending) = 0;
  // After all choices.
  virtual Events end(const Usage& usage) = 0;
  // In place of all that would still come.
  virtual Event failure(const HttpError& error) { return {.name = {}, .data = error.body()}; }

  virtual ErrorForm error_form() const { return ErrorForm::kOpenAi; }
  virtual bool ends_with_done() const { return true; }  // "data: [DONE]"
};

struct AnswerOptions {
  AnswerIdentity identity;
  std::shared_ptr<const Tokenizer> tokenizer;
  bool has_logprobs = false;
  bool has_prompt_logprobs = false;
  bool has_usage_chunk = false;  // at the end; then the other chunks say "usage": null
};

// vLLM's form of `prompt_logprobs`: for each token an object of tokens by their ids, itself and then the likeliest,
// each with its log-probability and rank. Null for the first, of which nothing tells how likely it was.
json::array prompt_logprobs_array(const std::vector<SampledToken>& prompt, const Tokenizer& tokenizer);
// Of a beam search, how likely a choice is: "cumulative_logprob" and "sequence_score", as vLLM and transformers call
// them.
void add_beam_score(const Choice& choice, json::object& object);
json::object usage_object(const Usage& usage);
// Of a call of a tool: nine letters and digits. What Mistral's templates insist on suits all.
std::string new_call_id();
// A token's bytes as text, U+FFFD where they are only a part of a character.
std::string shown(std::string_view bytes);
// OpenAI's stand-in for minus infinity, which JSON does not have.
double finite_logprob(float logprob);

// The members that all answers of one kind share; `object` is "chat.completion", "text_completion", ….
json::object answer_frame(const AnswerIdentity& identity, std::string_view object);

}  // namespace pelton::openai
