#include "server/openai/completion_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace pelton::openai {
namespace {

// Characters that begin in `bytes`, whole or cut off: all bytes but the continuations.
int64_t character_count(std::string_view bytes) {
  return std::count_if(bytes.begin(), bytes.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
}

}  // namespace

CompletionAnswer::CompletionAnswer(AnswerOptions options, std::vector<std::optional<std::string>> echoes)
    : options_(std::move(options)), echoes_(std::move(echoes)), prompts_(echoes_.size()) {
  for (const std::optional<std::string>& echo : echoes_) offsets_.push_back(character_count(echo.value_or("")));
}

void CompletionAnswer::set_prompt(size_t index, std::vector<SampledToken> tokens) {
  prompts_[index] = std::move(tokens);
  if (echoes_[index]) offsets_[index] = 0;
}

json::object CompletionAnswer::whole(const std::vector<Choice>& choices, const Usage& usage) {
  json::array list;
  for (size_t index = 0; index < choices.size(); ++index) {
    const Piece& piece = choices[index].piece;
    const std::vector<SampledToken> prompt = std::move(prompts_[index]);
    std::vector<SampledToken> tokens;
    if (echoes_[index]) tokens = prompt;
    tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
    json::object entry = choice(index, echoes_[index].value_or("") + piece.text, logprobs(index, tokens),
                                json::string(finish_reason_name(choices[index].reason)));
    if (options_.has_prompt_logprobs) {
      entry["prompt_logprobs"] = prompt_logprobs_array(prompt, *options_.tokenizer);
    }
    add_beam_score(choices[index], entry);
    list.push_back(std::move(entry));
  }
  json::object answer = answer_frame(options_.identity, "text_completion");
  answer["choices"] = std::move(list);
  answer["usage"] = usage_object(usage);
  return answer;
}

Events CompletionAnswer::opening(size_t index) {
  const std::vector<SampledToken> prompt = std::move(prompts_[index]);
  if (!echoes_[index] || (echoes_[index]->empty() && prompt.empty())) return {};
  return {chunk(choice(index, *echoes_[index], prompt.empty() ? json::value() : logprobs(index, prompt), nullptr))};
}

Events CompletionAnswer::piece(size_t index, const Piece& piece) {
  return {chunk(choice(index, piece.text, logprobs(index, piece.tokens), nullptr))};
}

Events CompletionAnswer::closing(size_t index, const Choice& ending) {
  return {chunk(choice(index, "", nullptr, json::string(finish_reason_name(ending.reason))))};
}

Events CompletionAnswer::end(const Usage& usage) {
  if (!options_.has_usage_chunk) return {};
  json::object answer = answer_frame(options_.identity, "text_completion");
  answer["choices"] = json::array();
  answer["usage"] = usage_object(usage);
  return {{.name = {}, .data = std::move(answer)}};
}

json::object CompletionAnswer::choice(size_t index, std::string_view text, json::value logprobs,
                                      json::value finish_reason) const {
  json::object object = {{"index", index}, {"text", text}};
  object["logprobs"] = std::move(logprobs);
  object["finish_reason"] = std::move(finish_reason);
  return object;
}

Event CompletionAnswer::chunk(json::object choice) const {
  json::object answer = answer_frame(options_.identity, "text_completion");
  answer["choices"] = json::array();
  answer["choices"].get_array().push_back(std::move(choice));
  if (options_.has_usage_chunk) answer["usage"] = nullptr;
  return {.name = {}, .data = std::move(answer)};
}

json::value CompletionAnswer::logprobs(size_t index, const std::vector<SampledToken>& tokens) {
  if (!options_.has_logprobs) return nullptr;
  json::array names, values, alternatives, offsets;
  for (const SampledToken& sampled : tokens) {
    names.push_back(json::string(token_name(sampled.token)));
    json::object top;
    for (const TokenLogprob& alternative : sampled.alternatives) {
      top.emplace(token_name(alternative.token), finite_logprob(alternative.logprob));
    }
    // Nothing tells how likely the first token of a prompt was.
    values.push_back(sampled.logprob ? json::value(finite_logprob(*sampled.logprob)) : json::value());
    alternatives.push_back(sampled.logprob ? json::value(std::move(top)) : json::value());
    offsets.push_back(offsets_[index]);
    offsets_[index] += character_count(options_.tokenizer->token_bytes(sampled.token));
  }
  json::object object;
  object["tokens"] = std::move(names);
  object["token_logprobs"] = std::move(values);
  object["top_logprobs"] = std::move(alternatives);
  object["text_offset"] = std::move(offsets);
  return object;
}

// Parts of a character as OpenAI writes them, so that different tokens keep different names.
std::string CompletionAnswer::token_name(TokenId token) const {
  const std::string_view bytes = options_.tokenizer->token_bytes(token);
  if (!find_invalid_utf8(bytes)) return std::string(bytes);
  std::string name = "bytes:";
  for (const char byte : bytes) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return name;
}

}  // namespace pelton::openai
