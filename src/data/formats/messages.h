// Lists of messages in JSON, which several formats hold.
#pragma once

#include <vector>

#include "data/formats/format.h"

namespace pelton::data {

std::optional<Role> role_of(std::string_view name);

// OpenAI's: [{"role": …, "content": …, "tool_calls": …}, …]. Content may be a list of text parts; arguments of calls
// may be an object. Reads the whole array; what it does not know of a message it keeps as `extra`.
Problem read_messages(simdjson::dom::array array, std::vector<Message>& messages, Arena& arena);
void write_messages(std::span<const Message> messages, std::string& out);

// The JSON text of a value, in the arena.
std::string_view minified(simdjson::dom::element value, Arena& arena);
// `tools`, an array or that array as a string.
Problem read_tools(const Content& content, Record& record, Arena& arena);
void write_tools(const Record& record, std::string& out);

inline std::span<Message> in_arena(const std::vector<Message>& messages, Arena& arena) {
  return arena.copy(std::span<const Message>(messages));
}

// The messages of a chat that is nothing but an optional system prompt and then user and assistant in turn, with
// content alone: all that simple formats can say. Otherwise the reason why not.
Problem check_plain_turns(const Record& record);

}  // namespace pelton::data
