// Puts turns together, as chat templates expect them, out of the parts in which some endpoints bring them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace pelton::openai {

// With a line break between the two, where neither is empty.
void join_lines(std::string& text, std::string_view more);

// What follows each other and belongs to one role is one turn, unless it is begun anew.
class Conversation {
 public:
  // The next part begins a turn.
  void begin_turn() { begins_ = true; }
  void add_text(std::string_view role, std::string_view text);
  // Parts of the assistant's turn.
  void add_reasoning(std::string_view text);
  void add_call(json::object call);
  // A turn of its own: {"role": "tool", …}.
  void add_result(json::object result);

  // {"role", "content", "reasoning_content", "tool_calls"} …
  json::array take() { return std::move(messages_); }

 private:
  json::object& turn(std::string_view role);

  json::array messages_;
  bool begins_ = false;
};

}  // namespace pelton::openai
