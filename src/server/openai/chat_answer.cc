#include "server/openai/chat_answer.h"

#include <utility>

namespace pelton::openai {
namespace {

json::object call_chunk(const ToolCallDelta& call) {
  json::object function;
  json::object chunk = {{"index", call.index}};
  if (call.name) {
    chunk["id"] = new_call_id();
    chunk["type"] = "function";
    function["name"] = *call.name;
  }
  function["arguments"] = call.arguments;
  chunk["function"] = std::move(function);
  return chunk;
}

json::object delta_object(const AnswerDelta& delta) {
  json::object object;
  if (!delta.reasoning.empty()) object["reasoning_content"] = delta.reasoning;
  if (!delta.content.empty()) object["content"] = delta.content;
  json::array calls;
  for (const ToolCallDelta& call : delta.calls) calls.push_back(call_chunk(call));
  if (!calls.empty()) object["tool_calls"] = std::move(calls);
  return object;
}

void append(AnswerDelta& whole, AnswerDelta delta) {
  whole.reasoning += delta.reasoning;
  whole.content += delta.content;
  for (ToolCallDelta& call : delta.calls) {
    if (call.name) {
      whole.calls.push_back(std::move(call));
    } else {
      whole.calls.back().arguments += call.arguments;
    }
  }
}

json::string finish_reason(FinishReason reason, size_t call_count) {
  return reason == FinishReason::kStop && call_count > 0 ? "tool_calls" : json::string(finish_reason_name(reason));
}

}  // namespace

void ChatAnswer::set_prompt(size_t index, std::vector<SampledToken> tokens) {
  if (index == 0) prompt_ = std::move(tokens);  // the same for all
}

json::object ChatAnswer::whole(const std::vector<Choice>& choices, const Usage& usage) {
  json::array list;
  for (size_t index = 0; index < choices.size(); ++index) {
    const Choice& choice = choices[index];
    size_t call_count = 0;
    json::object entry = {{"index", index}};
    entry["message"] = message(choice, call_count);
    entry["logprobs"] = logprobs(choice.piece.tokens);
    entry["finish_reason"] = finish_reason(choice.reason, call_count);
    add_beam_score(choice, entry);
    list.push_back(std::move(entry));
  }
  json::object answer = answer_frame(options_.identity, "chat.completion");
  answer["choices"] = std::move(list);
  answer["usage"] = usage_object(usage);
  if (options_.has_prompt_logprobs) {
    answer["prompt_logprobs"] = prompt_logprobs_array(prompt_, *options_.tokenizer);
  }
  return answer;
}

Events ChatAnswer::opening(size_t index) {
  return {chunk(index, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr)};
}

Events ChatAnswer::piece(size_t index, const Piece& piece) {
  const AnswerDelta delta = parser(index).push(piece.text);
  if (delta.is_empty() && !options_.has_logprobs) return {};
  return {chunk(index, delta_object(delta), logprobs(piece.tokens), nullptr)};
}

Events ChatAnswer::closing(size_t index, const Choice& ending) {
  Events events;
  const AnswerDelta delta = parser(index).finish();
  if (!delta.is_empty()) events.push_back(chunk(index, delta_object(delta), nullptr, nullptr));
  events.push_back(chunk(index, {}, nullptr, finish_reason(ending.reason, parser(index).call_count())));
  return events;
}

json::object ChatAnswer::message(const Choice& choice, size_t& call_count) const {
  AnswerParser parser(syntax_);
  AnswerDelta parts = parser.push(choice.piece.text);
  append(parts, parser.finish());
  call_count = parser.call_count();
  json::object message = {{"role", "assistant"}, {"content", parts.content}, {"refusal", nullptr}};
  if (!parts.reasoning.empty()) message["reasoning_content"] = parts.reasoning;
  if (parts.calls.empty()) return message;
  json::array calls;
  for (const ToolCallDelta& call : parts.calls) {
    calls.push_back({{"id", new_call_id()},
                     {"type", "function"},
                     {"function", {{"name", *call.name}, {"arguments", call.arguments}}}});
  }
  message["tool_calls"] = std::move(calls);
  if (parts.content.empty()) message["content"] = nullptr;
  return message;
}

AnswerParser& ChatAnswer::parser(size_t index) {
  while (parsers_.size() <= index) parsers_.emplace_back(syntax_);
  return parsers_[index];
}

Events ChatAnswer::end(const Usage& usage) {
  if (!options_.has_usage_chunk) return {};
  json::object answer = answer_frame(options_.identity, "chat.completion.chunk");
  answer["choices"] = json::array();
  answer["usage"] = usage_object(usage);
  return {{.name = {}, .data = std::move(answer)}};
}

Event ChatAnswer::chunk(size_t index, json::object delta, json::value logprobs, json::value finish_reason) const {
  json::object answer = answer_frame(options_.identity, "chat.completion.chunk");
  json::object choice = {{"index", index}};
  choice["delta"] = std::move(delta);
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = std::move(finish_reason);
  answer["choices"] = json::array();
  answer["choices"].get_array().push_back(std::move(choice));
  if (options_.has_usage_chunk) answer["usage"] = nullptr;
  return {.name = {}, .data = std::move(answer)};
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
