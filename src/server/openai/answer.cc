#include "server/openai/answer.h"

#include <algorithm>
#include <random>

#include "base/rng.h"
#include "text/utf8.h"

namespace pelton::openai {

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
