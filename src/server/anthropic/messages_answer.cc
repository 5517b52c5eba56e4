#include "server/anthropic/messages_answer.h"

#include <string_view>
#include <utility>

namespace pelton::anthropic {
namespace {

using openai::Event;
using openai::Events;

// Tokens that were found in the prefix cache are not among the input's, as Anthropic counts.
json::object message_usage(const openai::Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.completion_tokens}};
}

// What a call says, as an object. What is none (an answer that was cut off) stays readable, under the name that
// Anthropic's documentation gives it.
json::object input_of(std::string_view arguments) {
  boost::system::error_code error;
  json::value value = json::parse(arguments, error);
  if (!error && value.is_object()) return std::move(value.get_object());
  return {{"INVALID_JSON", arguments}};
}

// What a client makes of a stream's blocks.
json::array blocks_of(const Events& events) {
  json::array blocks;
  std::string arguments;
  for (const Event& event : events) {
    if (event.name == "content_block_start") {
      blocks.push_back(event.data.at("content_block"));
      arguments.clear();
    } else if (event.name == "content_block_delta") {
      const json::object& delta = event.data.at("delta").as_object();
      json::object& block = blocks.back().as_object();
      for (const std::string_view part : {"text", "thinking"}) {
        if (!delta.contains(part)) continue;
        block[part] = std::string(block.at(part).as_string()) + std::string(delta.at(part).as_string());
      }
      if (const json::value* json = delta.if_contains("partial_json")) arguments += json->as_string();
    } else if (event.name == "content_block_stop" && blocks.back().at("type") == "tool_use") {
      blocks.back().as_object()["input"] = input_of(arguments);
    }
  }
  return blocks;
}

}  // namespace

json::object MessagesAnswer::whole(const std::vector<openai::Choice>& choices, const openai::Usage& usage) {
  const openai::Choice& choice = choices.front();
  Events events = piece(0, choice.piece);
  for (Event& event : closing(0, choice)) events.push_back(std::move(event));
  json::object message = frame();
  message["content"] = blocks_of(events);
  for (const auto& [name, value] : stop_fields(usage.completion_tokens)) message[name] = value;
  message["usage"] = message_usage(usage);
  return message;
}

Events MessagesAnswer::opening(size_t) {
  json::object message = frame();
  // How much of it was found is known at the end: that event counts all.
  message["usage"] = message_usage({.prompt_tokens = options_.prompt_token_count});
  json::object data = {{"type", "message_start"}};
  data["message"] = std::move(message);
  return {{.name = "message_start", .data = std::move(data)}};
}

Events MessagesAnswer::piece(size_t, const openai::Piece& piece) {
  Events events;
  go_on(parser_.push(piece.text), events);
  return events;
}

Events MessagesAnswer::closing(size_t, const openai::Choice& ending) {
  Events events;
  go_on(parser_.finish(), events);
  close(events);
  ending_ = {.piece = {}, .reason = ending.reason, .stop = ending.stop};
  return events;
}

Events MessagesAnswer::end(const openai::Usage& usage) {
  json::object delta = {{"type", "message_delta"}};
  delta["delta"] = stop_fields(usage.completion_tokens);
  delta["usage"] = message_usage(usage);
  Events events;
  events.push_back({.name = "message_delta", .data = std::move(delta)});
  events.push_back({.name = "message_stop", .data = {{"type", "message_stop"}}});
  return events;
}

Event MessagesAnswer::failure(const HttpError& error) {
  return {.name = "error", .data = error.body(ErrorForm::kAnthropic)};
}

json::object MessagesAnswer::frame() const {
  return {{"id", options_.identity.id},       {"type", "message"},        {"role", "assistant"},
          {"model", options_.identity.model}, {"content", json::array()}, {"stop_reason", nullptr},
          {"stop_sequence", nullptr}};
}

json::object MessagesAnswer::stop_fields(int64_t completion_tokens) const {
  const auto reason = [&] {
    if (ending_.reason == FinishReason::kLength) {
      return completion_tokens < options_.max_tokens ? "model_context_window_exceeded" : "max_tokens";
    }
    if (ending_.stop) return "stop_sequence";
    return parser_.call_count() > 0 ? "tool_use" : "end_turn";
  };
  return {{"stop_reason", reason()}, {"stop_sequence", ending_.stop ? json::value(*ending_.stop) : json::value()}};
}

void MessagesAnswer::go_on(const AnswerDelta& delta, Events& events) {
  auto call = delta.calls.begin();
  // The rest of a call comes before what follows it.
  for (; call != delta.calls.end() && !call->name; ++call) {
    if (!call->arguments.empty()) add({{"type", "input_json_delta"}, {"partial_json", call->arguments}}, events);
  }
  if (!delta.reasoning.empty()) {
    open(Block::kThinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, events);
    if (options_.shows_thinking) add({{"type", "thinking_delta"}, {"thinking", delta.reasoning}}, events);
  }
  if (!delta.content.empty()) {
    open(Block::kText, {{"type", "text"}, {"text", ""}}, events);
    add({{"type", "text_delta"}, {"text", delta.content}}, events);
  }
  for (; call != delta.calls.end(); ++call) {
    if (call->name) {
      close(events);
      open(Block::kToolUse,
           {{"type", "tool_use"}, {"id", openai::new_call_id()}, {"name", *call->name}, {"input", json::object()}},
           events);
    }
    if (!call->arguments.empty()) add({{"type", "input_json_delta"}, {"partial_json", call->arguments}}, events);
  }
}

void MessagesAnswer::open(Block block, json::object content, Events& events) {
  if (open_ == block) return;
  close(events);
  open_ = block;
  json::object data = {{"type", "content_block_start"}, {"index", block_count_}};
  data["content_block"] = std::move(content);
  events.push_back({.name = "content_block_start", .data = std::move(data)});
}

void MessagesAnswer::add(json::object delta, Events& events) const {
  json::object data = {{"type", "content_block_delta"}, {"index", block_count_}};
  data["delta"] = std::move(delta);
  events.push_back({.name = "content_block_delta", .data = std::move(data)});
}

void MessagesAnswer::close(Events& events) {
  if (open_ == Block::kNone) return;
  open_ = Block::kNone;
  events.push_back({.name = "content_block_stop", .data = {{"type", "content_block_stop"}, {"index", block_count_}}});
  ++block_count_;
}

}  // namespace pelton::anthropic
