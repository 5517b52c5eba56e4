#include "server/openai/chat_answer.h"

#include <utility>

namespace pelton::openai {

json::object ChatAnswer::whole(const std::vector<Choice>& choices, const Usage& usage) {
  json::array list;
  for (size_t index = 0; index < choices.size(); ++index) {
    const Choice& choice = choices[index];
    list.push_back({{"index", index},
                    {"message", {{"role", "assistant"}, {"content", choice.piece.text}, {"refusal", nullptr}}},
                    {"logprobs", logprobs(choice.piece.tokens)},
                    {"finish_reason", json::string(finish_reason_name(choice.reason))}});
  }
  json::object answer = answer_frame(options_.identity, "chat.completion");
  answer["choices"] = std::move(list);
  answer["usage"] = usage_object(usage);
  return answer;
}

std::optional<json::object> ChatAnswer::opening(size_t index) {
  return chunk(index, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
}

json::object ChatAnswer::piece(size_t index, const Piece& piece) {
  return chunk(index, {{"content", piece.text}}, logprobs(piece.tokens), nullptr);
}

json::object ChatAnswer::closing(size_t index, FinishReason reason) {
  return chunk(index, {}, nullptr, json::string(finish_reason_name(reason)));
}

json::object ChatAnswer::usage_chunk(const Usage& usage) {
  json::object answer = answer_frame(options_.identity, "chat.completion.chunk");
  answer["choices"] = json::array();
  answer["usage"] = usage_object(usage);
  return answer;
}

json::object ChatAnswer::chunk(size_t index, json::object delta, json::value logprobs,
                               json::value finish_reason) const {
  json::object answer = answer_frame(options_.identity, "chat.completion.chunk");
  json::object choice = {{"index", index}};
  choice["delta"] = std::move(delta);
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = std::move(finish_reason);
  answer["choices"] = json::array();
  answer["choices"].get_array().push_back(std::move(choice));
  if (options_.has_usage_chunk) answer["usage"] = nullptr;
  return answer;
}

json::value ChatAnswer::logprobs(const std::vector<SampledToken>& tokens) const {
  if (!options_.has_logprobs) return nullptr;
  json::array content;
  for (const SampledToken& sampled : tokens) {
    json::array alternatives;
    for (const TokenLogprob& alternative : sampled.alternatives) {
      alternatives.push_back(token(alternative.token, alternative.logprob));
    }
    json::object entry = token(sampled.token, sampled.logprob.value_or(0));
    entry["top_logprobs"] = std::move(alternatives);
    content.push_back(std::move(entry));
  }
  json::object object;
  object["content"] = std::move(content);
  object["refusal"] = nullptr;
  return object;
}

json::object ChatAnswer::token(TokenId token, float logprob) const {
  const std::string_view bytes = options_.tokenizer->token_bytes(token);
  json::array numbers;
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  json::object object = {{"token", shown(bytes)}, {"logprob", finite_logprob(logprob)}};
  object["bytes"] = std::move(numbers);
  return object;
}

}  // namespace pelton::openai
