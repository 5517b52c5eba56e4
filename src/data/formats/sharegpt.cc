// ShareGPT: {"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}, …]}, with `system` and
// `tools` where there are any. Ids of calls have no place: results follow their calls.
#include <fmt/format.h>

#include "data/formats/messages.h"
#include "data/json_string.h"

namespace pelton::data {
namespace {

using Key = ContentKey;
using simdjson::dom::array;
using simdjson::dom::element;

constexpr Key kKeys[] = {Key::kConversations, Key::kConversation, Key::kSystem, Key::kTools};

Key turns_key(const Content& content) {
  return content.is_array(Key::kConversations) ? Key::kConversations : Key::kConversation;
}

bool matches(const Content& content) {
  if (!content.is_array(turns_key(content))) return false;
  element from;
  return content.array(turns_key(content)).at(0)["from"].get(from) == simdjson::SUCCESS;
}

struct Speaker {
  std::string_view name;
  Role role;
};

// The first of a role is how it is written. `function_call` is an assistant's, too: {"name": …, "arguments": …}.
constexpr Speaker kSpeakers[] = {
    {"human", Role::kUser},          {"user", Role::kUser},         {"gpt", Role::kAssistant},
    {"assistant", Role::kAssistant}, {"chatgpt", Role::kAssistant}, {"bing", Role::kAssistant},
    {"bard", Role::kAssistant},      {"model", Role::kAssistant},   {"system", Role::kSystem},
    {"observation", Role::kTool},    {"tool", Role::kTool},         {"developer", Role::kDeveloper},
};

std::optional<Role> role_of_speaker(std::string_view name) {
  for (const Speaker& speaker : kSpeakers) {
    if (speaker.name == name) return speaker.role;
  }
  return std::nullopt;
}

std::string_view speaker_name(Role role) {
  for (const Speaker& speaker : kSpeakers) {
    if (speaker.role == role) return speaker.name;
  }
  return {};
}

Problem read_function_call(std::string_view value, Message& message, Arena& arena) {
  simdjson::dom::parser parser;
  element call;
  std::string_view name;
  if (parser.parse(value.data(), value.size()).get(call) != simdjson::SUCCESS ||
      call["name"].get_string().get(name) != simdjson::SUCCESS) {
    return "a function_call that is no JSON with a name";
  }
  ToolCall tool_call{.name = arena.copy(name)};
  if (element arguments; call["arguments"].get(arguments) == simdjson::SUCCESS) {
    tool_call.arguments =
        arguments.is_string() ? arena.copy(arguments.get_string().value_unsafe()) : minified(arguments, arena);
  }
  message.role = Role::kAssistant;
  message.tool_calls = arena.copy(std::span<const ToolCall>(&tool_call, 1));
  return std::nullopt;
}

Problem read_turn(element turn, Message& message, Arena& arena) {
  std::string_view from;
  std::string_view value;
  if (turn["from"].get_string().get(from) != simdjson::SUCCESS) return "a turn without 'from'";
  if (turn["value"].get_string().get(value) != simdjson::SUCCESS) return "a turn without 'value'";
  if (from == "function_call") return read_function_call(value, message, arena);
  const std::optional<Role> role = role_of_speaker(from);
  if (!role) return fmt::format("the speaker '{}' is not known", from);
  message.role = *role;
  message.content = arena.copy(value);
  std::string extra;
  for (const auto [key, other] : object_of(turn)) {
    if (key == "from" || key == "value") continue;
    if (!extra.empty()) extra += ',';
    append_valid_json_string(extra, key);
    extra += ':';
    extra += simdjson::minify(other);
  }
  message.extra = arena.copy(extra);
  return std::nullopt;
}

Problem read(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kChat;
  std::vector<Message> messages;
  if (content.is_string(Key::kSystem) && !content.string(Key::kSystem).empty()) {
    messages.push_back({.role = Role::kSystem, .content = arena.copy(content.string(Key::kSystem))});
  }
  for (const element turn : content.array(turns_key(content))) {
    if (Problem problem = read_turn(turn, messages.emplace_back(), arena)) {
      return fmt::format("turn {}: {}", messages.size(), *problem);
    }
  }
  record.messages = in_arena(messages, arena);
  return read_tools(content, record, arena);
}

Problem write_turn(const Message& message, std::string& out) {
  if (!message.reasoning.empty()) return "it holds reasoning apart from its answer";
  out += "{\"from\":";
  if (message.tool_calls.empty()) {
    append_json_string(out, speaker_name(message.role));
    out += ",\"value\":";
    append_json_string(out, message.content);
  } else {
    if (message.tool_calls.size() > 1) return "it calls several tools at once";
    if (!message.content.empty()) return "it calls a tool and says something in one turn";
    const ToolCall& call = message.tool_calls[0];
    std::string value = "{\"name\":";
    append_json_string(value, call.name);
    value += ",\"arguments\":";
    simdjson::dom::parser parser;
    element unused;
    const bool is_json = parser.parse(call.arguments.data(), call.arguments.size()).get(unused) == simdjson::SUCCESS;
    if (is_json) value += call.arguments;
    if (!is_json) append_json_string(value, call.arguments);
    value += '}';
    out += "\"function_call\",\"value\":";
    append_json_string(out, value);
  }
  if (!message.extra.empty()) {
    out += ',';
    out += message.extra;
  }
  out += '}';
  return std::nullopt;
}

Problem write(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kChat) return "it is no chat";
  out += "\"conversations\":[";
  for (size_t i = 0; i < record.messages.size(); ++i) {
    if (i > 0) out += ',';
    if (Problem problem = write_turn(record.messages[i], out)) return problem;
  }
  out += ']';
  write_tools(record, out);
  return std::nullopt;
}

}  // namespace

extern const FormatType kShareGptFormat;
const FormatType kShareGptFormat = {Format::kShareGpt, "sharegpt", kKeys, matches, read, write};

}  // namespace pelton::data
