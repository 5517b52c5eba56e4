#include "cli/answer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>

#include "cli/output.h"
#include "engine/collector.h"

namespace pelton::cli {
namespace {

// A signal handler cannot wake a waiting thread; nobody notices this much.
constexpr std::chrono::milliseconds kSignalPollInterval(20);

// Three decimals: more is noise.
double rounded(double value) { return std::round(value * 1000) / 1000; }

json::value per_second(int64_t count, Duration duration) {
  if (count <= 0 || duration <= Duration::zero()) return nullptr;
  return rounded(static_cast<double>(count) / seconds(duration));
}

json::object logprob_to_json(TokenId token, float logprob, const Tokenizer& tokenizer) {
  return {{"token_id", index_of(token)},
          {"token", tokenizer.decode({&token, 1}, /*skip_special=*/false)},
          {"logprob", json_number(logprob)}};
}

}  // namespace

Answer answer_request(Engine& engine, GenerationRequest request, const InterruptScope& interrupt,
                      FunctionRef<void(std::string_view text)> show) {
  GenerationStream stream(engine, std::move(request));
  Answer answer;
  while (interrupt.signal() == 0) {
    if (!stream.wait_for(kSignalPollInterval)) continue;
    std::optional<GenerationStream::Piece> piece = stream.next();
    if (!piece) {
      answer.summary = stream.summary();
      break;
    }
    if (!piece->text.empty()) show(piece->text);
    answer.text += piece->text;
    std::move(piece->tokens.begin(), piece->tokens.end(), std::back_inserter(answer.tokens));
  }
  return answer;
}

std::string_view finish_reason_name(const Answer& answer) {
  if (!answer.summary) return "interrupted";
  return pelton::finish_reason_name(answer.summary->reason);
}

json::object answer_to_json(const Answer& answer, const Tokenizer& tokenizer, size_t prompt_token_count) {
  json::array token_ids, logprobs;
  for (const SampledToken& sampled : answer.tokens) {
    token_ids.push_back(index_of(sampled.token));
    if (!sampled.logprob) continue;
    json::array top;
    for (const TokenLogprob& other : sampled.alternatives)
      top.push_back(logprob_to_json(other.token, other.logprob, tokenizer));
    json::object row = logprob_to_json(sampled.token, *sampled.logprob, tokenizer);
    row["top"] = std::move(top);
    logprobs.push_back(std::move(row));
  }
  json::object object = {{"token_ids", std::move(token_ids)},
                         {"text", answer.text},
                         {"finish_reason", finish_reason_name(answer)},
                         {"usage",
                          {{"prompt_tokens", prompt_token_count},
                           {"completion_tokens", answer.tokens.size()},
                           {"total_tokens", prompt_token_count + answer.tokens.size()}}}};
  if (!logprobs.empty()) object["logprobs"] = std::move(logprobs);
  return object;
}

json::object timings_to_json(const Answer& answer, double load_ms) {
  json::object timings = {{"load_ms", rounded(load_ms)},
                          {"ttft_ms", nullptr},
                          {"prefill_tokens_per_second", nullptr},
                          {"decode_tokens_per_second", nullptr}};
  if (!answer.summary || answer.tokens.empty()) return timings;
  const RequestTimings& measured = answer.summary->timings;
  timings["ttft_ms"] = rounded(milliseconds(measured.first_token));
  timings["prefill_tokens_per_second"] =
      per_second(answer.summary->prompt_tokens, measured.first_token - measured.queue);
  // The first token comes out of the prefill.
  timings["decode_tokens_per_second"] =
      per_second(answer.summary->completion_tokens - 1, measured.total - measured.first_token);
  return timings;
}

}  // namespace pelton::cli
