#include "data/formats/messages.h"

#include <fmt/format.h>

#include "data/json_string.h"

namespace pelton::data {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

Problem read_content(element value, Message& message, Arena& arena) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) {
    message.content = arena.copy(value.get_string().value_unsafe());
    return std::nullopt;
  }
  if (!value.is_array()) return "content that is neither a string nor a list of parts";
  std::string text;
  for (const element part : array_of(value)) {
    std::string_view type;
    std::string_view piece;
    if (part["type"].get_string().get(type) != simdjson::SUCCESS) return "a part of content without a type";
    if (type != "text" || part["text"].get_string().get(piece) != simdjson::SUCCESS) {
      return fmt::format("a part of content of type '{}': only text is supported", type);
    }
    text += piece;
  }
  message.content = arena.copy(text);
  return std::nullopt;
}

Problem read_tool_calls(element value, Message& message, Arena& arena) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_array()) return "tool_calls that are no list";
  std::vector<ToolCall> calls;
  for (const element item : array_of(value)) {
    ToolCall call;
    std::string_view text;
    if (item["id"].get_string().get(text) == simdjson::SUCCESS) call.id = arena.copy(text);
    element function = item;  // some data sets leave the level out
    if (element inner; item["function"].get(inner) == simdjson::SUCCESS) function = inner;
    if (function["name"].get_string().get(text) != simdjson::SUCCESS) return "a tool call without a function's name";
    call.name = arena.copy(text);
    if (element arguments; function["arguments"].get(arguments) == simdjson::SUCCESS) {
      call.arguments =
          arguments.is_string() ? arena.copy(arguments.get_string().value_unsafe()) : minified(arguments, arena);
    }
    calls.push_back(call);
  }
  message.tool_calls = arena.copy(std::span<const ToolCall>(calls));
  return std::nullopt;
}

void copy_if_string(element value, std::string_view& to, Arena& arena) {
  if (value.is_string()) to = arena.copy(value.get_string().value_unsafe());
}

Problem read_message(object from, Message& message, Arena& arena) {
  bool has_role = false;
  std::string extra;
  for (const auto [key, value] : from) {
    Problem problem;
    if (key == "role") {
      std::string_view name;
      if (value.get_string().get(name) != simdjson::SUCCESS) return "a role that is no string";
      const std::optional<Role> role = role_of(name);
      if (!role) return fmt::format("the role '{}' is not known", name);
      message.role = *role;
      has_role = true;
    } else if (key == "content") {
      problem = read_content(value, message, arena);
    } else if (key == "reasoning_content" || key == "reasoning" || key == "thinking") {
      copy_if_string(value, message.reasoning, arena);
    } else if (key == "name") {
      copy_if_string(value, message.name, arena);
    } else if (key == "tool_call_id") {
      copy_if_string(value, message.tool_call_id, arena);
    } else if (key == "tool_calls") {
      problem = read_tool_calls(value, message, arena);
    } else {
      if (!extra.empty()) extra += ',';
      append_valid_json_string(extra, key);
      extra += ':';
      extra += minified(value, arena);
    }
    if (problem) return problem;
  }
  message.extra = arena.copy(extra);
  return has_role ? Problem() : Problem("a message without a role");
}

void write_member(std::string_view name, std::string_view text, std::string& out) {
  if (text.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void write_tool_calls(std::span<const ToolCall> calls, std::string& out) {
  out += ",\"tool_calls\":[";
  for (size_t i = 0; i < calls.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    if (!calls[i].id.empty()) {
      out += "\"id\":";
      append_json_string(out, calls[i].id);
      out += ',';
    }
    out += "\"type\":\"function\",\"function\":{\"name\":";
    append_json_string(out, calls[i].name);
    out += ",\"arguments\":";
    append_json_string(out, calls[i].arguments);
    out += "}}";
  }
  out += ']';
}

}  // namespace

std::optional<Role> role_of(std::string_view name) {
  if (name == "function") return Role::kTool;  // OpenAI's older word
  for (const Role role : {Role::kSystem, Role::kDeveloper, Role::kUser, Role::kAssistant, Role::kTool}) {
    if (role_name(role) == name) return role;
  }
  return std::nullopt;
}

std::string_view minified(element value, Arena& arena) { return arena.copy(simdjson::minify(value)); }

Problem read_messages(array from, std::vector<Message>& messages, Arena& arena) {
  for (const element item : from) {
    object fields;
    if (item.get_object().get(fields) != simdjson::SUCCESS) return "a message that is no object";
    if (Problem problem = read_message(fields, messages.emplace_back(), arena)) {
      return fmt::format("message {}: {}", messages.size(), *problem);
    }
  }
  return std::nullopt;
}

void write_messages(std::span<const Message> messages, std::string& out) {
  out += '[';
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    out += i == 0 ? "{\"role\":\"" : ",{\"role\":\"";
    out += role_name(message.role);
    out += "\",\"content\":";
    if (message.content.empty() && !message.tool_calls.empty()) {
      out += "null";
    } else {
      append_json_string(out, message.content);
    }
    write_member("reasoning_content", message.reasoning, out);
    write_member("name", message.name, out);
    write_member("tool_call_id", message.tool_call_id, out);
    if (!message.tool_calls.empty()) write_tool_calls(message.tool_calls, out);
    if (!message.extra.empty()) {
      out += ',';
      out += message.extra;
    }
    out += '}';
  }
  out += ']';
}

Problem read_tools(const Content& content, Record& record, Arena& arena) {
  if (!content.has(ContentKey::kTools) || content.value(ContentKey::kTools).is_null()) return std::nullopt;
  const element tools = content.value(ContentKey::kTools);
  if (tools.is_array()) {
    record.tools = minified(tools, arena);
  } else if (tools.is_string()) {
    record.tools = arena.copy(tools.get_string().value_unsafe());
  } else {
    return "tools that are no list";
  }
  return std::nullopt;
}

void write_tools(const Record& record, std::string& out) {
  if (record.tools.empty()) return;
  out += ",\"tools\":";
  if (record.tools.starts_with('[')) {
    out += record.tools;
  } else {
    append_json_string(out, record.tools);
  }
}

Problem check_plain_turns(const Record& record) {
  if (record.kind != RecordKind::kChat) return "it is no chat";
  std::span<const Message> turns = record.messages;
  if (!turns.empty() && turns[0].role == Role::kSystem) turns = turns.subspan(1);
  if (turns.empty() || turns.size() % 2 != 0) return "it does not end with an answer";
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].role != (i % 2 == 0 ? Role::kUser : Role::kAssistant)) return "user and assistant do not take turns";
    if (!turns[i].tool_calls.empty()) return "it calls tools";
    if (!turns[i].reasoning.empty()) return "it holds reasoning apart from its answer";
  }
  return record.tools.empty() ? Problem() : Problem("it has tools");
}

}  // namespace pelton::data
