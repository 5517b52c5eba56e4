#include "server/openai/answer.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>

#include "base/rng.h"
#include "text/utf8.h"

namespace pelton::openai {

json::array prompt_logprobs_array(const std::vector<SampledToken>& prompt, const Tokenizer& tokenizer) {
  json::array positions;
  for (const SampledToken& scored : prompt) {
    if (!scored.logprob) {
      positions.push_back(nullptr);
      continue;
    }
    json::object tokens;
    const auto add = [&](TokenId token, float logprob, int64_t rank) {
      tokens.emplace(std::to_string(index_of(token)),
                     json::object{{"logprob", finite_logprob(logprob)},
                                  {"rank", rank},
                                  {"decoded_token", shown(tokenizer.token_bytes(token))}});
    };
    add(scored.token, *scored.logprob, scored.rank.value_or(0));
    int64_t rank = 0;
    for (const TokenLogprob& alternative : scored.alternatives) add(alternative.token, alternative.logprob, ++rank);
    positions.push_back(std::move(tokens));
  }
  return positions;
}

void add_beam_score(const Choice& choice, json::object& object) {
  if (!choice.beam) return;
  object["cumulative_logprob"] = choice.beam->logprob;
  object["sequence_score"] = choice.beam->score;
}

json::object usage_object(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

std::string new_call_id() {
  static thread_local Rng rng((static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}());
  constexpr std::string_view kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string id;
  while (id.size() < 9) id += kCharacters[rng.next_below(kCharacters.size())];
  return id;
}

std::string shown(std::string_view bytes) {
  std::string pending(bytes);
  std::string text = take_decided_utf8(pending);
  if (!pending.empty()) text += kReplacementCharacter;
  return text;
}

double finite_logprob(float logprob) { return std::max(-9999.0, static_cast<double>(logprob)); }

json::object answer_frame(const AnswerIdentity& identity, std::string_view object) {
  return {{"id", identity.id},
          {"object", object},
          {"created", identity.created},
          {"model", identity.model},
          {"system_fingerprint", identity.fingerprint}};
}

}  // namespace pelton::openai
