#include "server/openai/conversation.h"

#include <utility>

namespace pelton::openai {

void join_lines(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += '\n';
  text += more;
}

void Conversation::add_text(std::string_view role, std::string_view text) {
  json::string& content = turn(role).at("content").as_string();
  std::string joined(content);
  join_lines(joined, text);
  content = joined;
}

void Conversation::add_reasoning(std::string_view text) {
  json::object& message = turn("assistant");
  const json::value* before = message.if_contains("reasoning_content");
  std::string joined = before != nullptr ? std::string(before->as_string()) : std::string();
  join_lines(joined, text);
  message["reasoning_content"] = joined;
}

void Conversation::add_call(json::object call) {
  json::object& message = turn("assistant");
  if (!message.contains("tool_calls")) message["tool_calls"] = json::array();
  message.at("tool_calls").as_array().push_back(std::move(call));
}

void Conversation::add_result(json::object result) {
  messages_.push_back(std::move(result));
  begins_ = false;
}

json::object& Conversation::turn(std::string_view role) {
  const bool is_new = std::exchange(begins_, false);
  if (is_new || messages_.empty() || messages_.back().as_object().at("role") != json::string(role)) {
    messages_.push_back(json::object{{"role", role}, {"content", ""}});
  }
  return messages_.back().as_object();
}

}  // namespace pelton::openai
