#include "server/anthropic/content.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "server/openai/conversation.h"

namespace pelton::anthropic {
namespace {

[[noreturn]] void refuse(const JsonReader& reader, std::string_view name, const std::string& problem) {
  const std::string path = reader.path_of(name);
  throw Error(ErrorCode::kUnsupported, path + ": " + problem, path);
}

std::string required_string(const JsonReader& reader, std::string_view name) {
  const auto value = reader.string(name);
  if (!value) reader.fail(name, "a string");
  return *value;
}

std::string read_text_block(const JsonReader& block) {
  block.refuse_others({"type", "text", "cache_control", "citations"});
  check_cache_control(block);
  if (const json::array* citations = block.array("citations"); citations != nullptr && !citations->empty()) {
    refuse(block, "citations", "citations are not supported");
  }
  return required_string(block, "text");
}

// Of blocks of text and nothing else.
std::string read_text_blocks(const json::array& blocks, const std::string& path) {
  std::string text;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const JsonReader block = JsonReader::of(blocks[i], fmt::format("{}[{}]", path, i));
    const std::string type = block.string("type").value_or("");
    if (type != "text") {
      refuse(block, "type", fmt::format("blocks of type \"{}\" are not supported here, only \"text\"", type));
    }
    openai::join_lines(text, read_text_block(block));
  }
  return text;
}

void refuse_toolset(const JsonReader& block) {
  if (block.value("toolset_name") != nullptr) refuse(block, "toolset_name", "sets of tools are not supported");
}

json::object read_tool_use(const JsonReader& block) {
  block.refuse_others({"type", "id", "name", "input", "cache_control", "caller", "toolset_name"});
  check_cache_control(block);
  refuse_toolset(block);
  if (const json::object* caller = block.object("caller"); caller != nullptr) {
    const JsonReader reader(*caller, block.path_of("caller"));
    if (reader.string("type") != "direct") refuse(reader, "type", "only \"direct\" is supported");
  }
  const json::object* input = block.object("input");
  if (input == nullptr) block.fail("input", "an object");
  return {{"id", required_string(block, "id")},
          {"type", "function"},
          {"function", {{"name", required_string(block, "name")}, {"arguments", *input}}}};
}

json::object read_tool_result(const JsonReader& block) {
  block.refuse_others({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"});
  check_cache_control(block);
  refuse_toolset(block);
  const json::value* content = block.value("content");
  std::string text = content == nullptr ? "" : read_text(*content, block.path_of("content"));
  // Templates have no other place to say so.
  if (block.boolean("is_error").value_or(false)) text = "Error: " + text;
  return {{"role", "tool"}, {"tool_call_id", required_string(block, "tool_use_id")}, {"content", text}};
}

void add_block(const JsonReader& block, std::string_view role, openai::Conversation& conversation) {
  const std::string type = block.string("type").value_or("");
  const bool is_assistant = role == "assistant";
  if (type == "text") {
    conversation.add_text(role, read_text_block(block));
  } else if (type == "tool_use" && is_assistant) {
    conversation.add_call(read_tool_use(block));
  } else if (type == "thinking" && is_assistant) {
    block.refuse_others({"type", "thinking", "signature"});
    block.string("signature");
    conversation.add_reasoning(required_string(block, "thinking"));
  } else if (type == "tool_result" && role == "user") {
    conversation.add_result(read_tool_result(block));
  } else {
    refuse(block, "type", fmt::format("blocks of type \"{}\" are not supported in a message of the {}", type, role));
  }
}

void add_message(const JsonReader& message, openai::Conversation& conversation) {
  message.refuse_others({"role", "content"});
  const std::string role = message.string("role").value_or("");
  if (role != "user" && role != "assistant" && role != "system") {
    message.fail("role", R"("user", "assistant" or "system")");
  }
  const json::value* content = message.value("content");
  if (content == nullptr || !(content->is_string() || content->is_array())) {
    message.fail("content", "a string or an array of blocks");
  }
  if (content->is_string()) return conversation.add_text(role, std::string_view(content->get_string()));
  const json::array& blocks = content->get_array();
  if (blocks.empty()) message.fail("content", "at least one block");
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", message.path_of("content"), i);
    add_block(JsonReader::of(blocks[i], path), role, conversation);
  }
}

}  // namespace

void check_cache_control(const JsonReader& reader) {
  const json::object* control = reader.object("cache_control");
  if (control == nullptr) return;
  const JsonReader fields(*control, reader.path_of("cache_control"));
  fields.refuse_others({"type", "ttl"});
  if (fields.string("type") != "ephemeral") fields.fail("type", "\"ephemeral\"");
  const auto ttl = fields.string("ttl");
  if (ttl && *ttl != "5m" && *ttl != "1h") fields.fail("ttl", R"("5m" or "1h")");
}

std::string read_text(const json::value& value, const std::string& path) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_array()) return read_text_blocks(value.get_array(), path);
  throw Error(ErrorCode::kInvalidArgument, path + ": expected a string or an array of text blocks", path);
}

json::array read_messages(const json::array& messages, const std::string& path) {
  if (messages.empty()) throw Error(ErrorCode::kInvalidArgument, path + ": at least one message is needed", path);
  openai::Conversation conversation;
  for (size_t i = 0; i < messages.size(); ++i) {
    add_message(JsonReader::of(messages[i], fmt::format("{}[{}]", path, i)), conversation);
  }
  json::array read = conversation.take();
  if (read.back().as_object().at("role") == "assistant") {
    const std::string last = fmt::format("{}[{}]", path, messages.size() - 1);
    throw Error(ErrorCode::kUnsupported, last + ": going on with an answer of the assistant (prefill) is not supported",
                last);
  }
  return read;
}

}  // namespace pelton::anthropic
