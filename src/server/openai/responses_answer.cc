#include "server/openai/responses_answer.h"

#include <fmt/format.h>

#include <utility>

namespace pelton::openai {
json::object ResponsesAnswer::whole(const std::vector<Choice>& choices, const Usage& usage) {
  piece(0, choices.front().piece);
  closing(0, choices.front());
  return finished(usage);
}

Events ResponsesAnswer::opening(size_t) {
  Events events;
  for (const std::string_view name : {"response.created", "response.in_progress"}) {
    json::object data;
    data["response"] = response("in_progress", {});
    events.push_back(event(name, std::move(data)));
  }
  return events;
}

Events ResponsesAnswer::piece(size_t, const Piece& piece) {
  Events events;
  go_on(parser_.push(piece.text), events);
  return events;
}

Events ResponsesAnswer::closing(size_t, const Choice& ending) {
  Events events;
  reason_ = ending.reason;
  go_on(parser_.finish(), events);
  close(reason_ == FinishReason::kLength ? "incomplete" : "completed", events);
  return events;
}

Events ResponsesAnswer::end(const Usage& usage) {
  json::object data;
  data["response"] = finished(usage);
  return {event(reason_ == FinishReason::kLength ? "response.incomplete" : "response.completed", std::move(data))};
}

Event ResponsesAnswer::failure(const HttpError& error) {
  json::object failed = response("failed", output_);
  failed["error"] = {{"code", error.status() == 429 ? "rate_limit_exceeded" : "server_error"},
                     {"message", error.what()}};
  json::object data;
  data["response"] = std::move(failed);
  return event("response.failed", std::move(data));
}

json::object ResponsesAnswer::response(std::string_view status, json::array output) const {
  json::object response = {{"id", options_.identity.id},
                           {"object", "response"},
                           {"created_at", options_.identity.created},
                           {"status", status},
                           {"background", false},
                           {"error", nullptr},
                           {"incomplete_details", nullptr},
                           {"model", options_.identity.model}};
  response["output"] = std::move(output);
  for (const auto& [name, value] : options_.settings) response[name] = value;
  response["usage"] = nullptr;
  return response;
}

json::object ResponsesAnswer::finished(const Usage& usage) const {
  const bool is_cut = reason_ == FinishReason::kLength;
  json::object made = response(is_cut ? "incomplete" : "completed", output_);
  if (is_cut) made["incomplete_details"] = {{"reason", "max_output_tokens"}};
  made["usage"] = usage_object(usage);
  return made;
}

json::object ResponsesAnswer::usage_object(const Usage& usage) const {
  // Tokens of the text that was told apart: the engine counts those of the whole answer.
  const size_t reasoning_tokens =
      reasoning_.empty()
          ? 0
          : options_.tokenizer->encode(reasoning_, {.parse_special = false, .add_special = false}).size();
  return {{"input_tokens", usage.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", usage.completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", reasoning_tokens}}},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

json::object ResponsesAnswer::part() const {
  if (kind_ == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text_}};
  return {{"type", "output_text"}, {"text", text_}, {"annotations", json::array()}, {"logprobs", json::array()}};
}

// The open one, as it is now: in progress it has no parts yet.
json::object ResponsesAnswer::item(std::string_view status) const {
  if (kind_ == Kind::kCall) {
    return {{"id", item_id_},      {"type", "function_call"}, {"status", status},
            {"call_id", call_id_}, {"name", call_name_},      {"arguments", text_}};
  }
  json::array content;
  if (status != "in_progress") content.push_back(part());
  json::object item = {{"id", item_id_}, {"status", status}};
  if (kind_ == Kind::kReasoning) {
    item["type"] = "reasoning";
    item["summary"] = json::array();
  } else {
    item["type"] = "message";
    item["role"] = "assistant";
  }
  item["content"] = std::move(content);
  return item;
}

Event ResponsesAnswer::event(std::string_view name, json::object data) {
  data["type"] = name;
  data["sequence_number"] = sequence_number_++;
  return {.name = name, .data = std::move(data)};
}

Event ResponsesAnswer::item_event(std::string_view name, json::object data) {
  data["item_id"] = item_id_;
  data["output_index"] = output_.size();
  if (kind_ != Kind::kCall) data["content_index"] = 0;
  return event(name, std::move(data));
}

void ResponsesAnswer::go_on(const AnswerDelta& delta, Events& events) {
  auto call = delta.calls.begin();
  // The rest of a call comes before what follows it.
  for (; call != delta.calls.end() && !call->name; ++call) add(call->arguments, events);
  if (!delta.reasoning.empty()) {
    open(Kind::kReasoning, events);
    reasoning_ += delta.reasoning;
    add(delta.reasoning, events);
  }
  if (!delta.content.empty()) {
    open(Kind::kMessage, events);
    add(delta.content, events);
  }
  for (; call != delta.calls.end(); ++call) {
    if (call->name) {
      close("completed", events);
      call_id_ = new_call_id();
      call_name_ = *call->name;
      open(Kind::kCall, events);
    }
    add(call->arguments, events);
  }
}

void ResponsesAnswer::open(Kind kind, Events& events) {
  if (kind_ == kind) return;
  close("completed", events);
  kind_ = kind;
  const char* prefix = kind == Kind::kReasoning ? "rs" : kind == Kind::kMessage ? "msg" : "fc";
  item_id_ = fmt::format("{}_{}_{}", prefix, options_.identity.id, output_.size());
  json::object added = {{"output_index", output_.size()}};
  added["item"] = item("in_progress");
  events.push_back(event("response.output_item.added", std::move(added)));
  if (kind == Kind::kCall) return;
  json::object data;
  data["part"] = part();
  events.push_back(item_event("response.content_part.added", std::move(data)));
}

void ResponsesAnswer::add(const std::string& text, Events& events) {
  if (text.empty()) return;
  text_ += text;
  json::object data = {{"delta", text}};
  if (kind_ == Kind::kMessage) data["logprobs"] = json::array();
  const char* name = kind_ == Kind::kReasoning ? "response.reasoning_text.delta"
                     : kind_ == Kind::kMessage ? "response.output_text.delta"
                                               : "response.function_call_arguments.delta";
  events.push_back(item_event(name, std::move(data)));
}

void ResponsesAnswer::close(std::string_view status, Events& events) {
  if (kind_ == Kind::kNone) return;
  if (kind_ == Kind::kCall) {
    events.push_back(item_event("response.function_call_arguments.done", {{"name", call_name_}, {"arguments", text_}}));
  } else {
    json::object done = {{"text", text_}};
    if (kind_ == Kind::kMessage) done["logprobs"] = json::array();
    const bool is_message = kind_ == Kind::kMessage;
    events.push_back(
        item_event(is_message ? "response.output_text.done" : "response.reasoning_text.done", std::move(done)));
    json::object data;
    data["part"] = part();
    events.push_back(item_event("response.content_part.done", std::move(data)));
  }
  json::object data = {{"output_index", output_.size()}};
  data["item"] = item(status);
  events.push_back(event("response.output_item.done", data));
  output_.push_back(data.at("item"));
  kind_ = Kind::kNone;
  text_.clear();
}

}  // namespace pelton::openai
