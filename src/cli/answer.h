// A request's whole answer, waited for on the command's own thread, which a signal can end.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/interrupt.h"
#include "engine/engine.h"
#include "ops/executor.h"

namespace pelton::cli {

struct Answer {
  std::string text;
  std::vector<SampledToken> tokens;
  std::optional<GenerationSummary> summary;  // absent: a signal stopped it; text and tokens are what came before
};

// Submits, hands each piece of text to `show` as it comes, and waits. A signal that `interrupt` sees, and anything that
// `show` throws, cancels the request. Errors: those of Engine::submit, and the one that ended the request.
Answer answer_request(Engine& engine, GenerationRequest request, const InterruptScope& interrupt,
                      FunctionRef<void(std::string_view text)> show);

// "stop", "length", or "interrupted".
std::string_view finish_reason_name(const Answer& answer);

// `token_ids`, `text`, `finish_reason`, `logprobs` (where the request asked for them), `usage`.
json::object answer_to_json(const Answer& answer, const Tokenizer& tokenizer, size_t prompt_token_count);

// `load_ms`, `ttft_ms`, `prefill_tokens_per_second`, `decode_tokens_per_second`; null where nothing was measured.
json::object timings_to_json(const Answer& answer, double load_ms);

}  // namespace pelton::cli
