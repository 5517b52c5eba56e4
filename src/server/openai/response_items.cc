#include "server/openai/response_items.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "server/openai/chat_message.h"
#include "server/openai/conversation.h"

namespace pelton::openai {
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

// Of parts of one of these types: their texts.
std::string read_parts(const json::array& parts, const std::string& path,
                       std::initializer_list<std::string_view> types) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const JsonReader part = JsonReader::of(parts[i], fmt::format("{}[{}]", path, i));
    const std::string type = part.string("type").value_or("");
    bool is_known = false;
    for (const std::string_view known : types) is_known = is_known || type == known;
    if (!is_known) refuse(part, "type", fmt::format("parts of type \"{}\" are not supported here, only text", type));
    part.refuse_others({"type", "text", "annotations", "logprobs"});
    part.array("annotations");
    part.array("logprobs");
    join_lines(text, required_string(part, "text"));
  }
  return text;
}

std::string read_content(const JsonReader& item, std::string_view name) {
  const json::value* content = item.value(name);
  if (content != nullptr && content->is_string()) return std::string(content->get_string());
  if (content == nullptr || !content->is_array()) item.fail(name, "a string or an array of parts");
  return read_parts(content->get_array(), item.path_of(name), {"input_text", "output_text"});
}

void add_message(const JsonReader& item, Conversation& conversation) {
  item.refuse_others({"type", "id", "status", "role", "content", "phase"});
  const std::string role = item.string("role").value_or("");
  const bool is_assistant = role == "assistant";
  if (!is_assistant && role != "user" && role != "system" && role != "developer") {
    item.fail("role", R"("user", "assistant", "system" or "developer")");
  }
  if (!is_assistant) conversation.begin_turn();
  conversation.add_text(role == "developer" ? "system" : role, read_content(item, "content"));
}

void refuse_other_callers(const JsonReader& item) {
  if (const json::object* caller = item.object("caller"); caller != nullptr) {
    const JsonReader reader(*caller, item.path_of("caller"));
    if (reader.string("type") != "direct") refuse(reader, "type", "only \"direct\" is supported");
  }
  if (item.value("namespace") != nullptr) refuse(item, "namespace", "namespaces are not supported");
}

void add_call(const JsonReader& item, Conversation& conversation) {
  item.refuse_others({"type", "id", "status", "call_id", "name", "arguments", "caller", "namespace"});
  refuse_other_callers(item);
  const std::string arguments = required_string(item, "arguments");
  conversation.add_call(
      {{"id", required_string(item, "call_id")},
       {"type", "function"},
       {"function", {{"name", required_string(item, "name")}, {"arguments", arguments_of(arguments)}}}});
}

void add_result(const JsonReader& item, Conversation& conversation) {
  item.refuse_others({"type", "id", "status", "call_id", "output", "name", "caller", "namespace"});
  refuse_other_callers(item);
  conversation.add_result({{"role", "tool"},
                           {"tool_call_id", required_string(item, "call_id")},
                           {"content", read_content(item, "output")}});
}

// What the model thought, where the item says it: what is encrypted or summarised, by whomever, is not that.
void add_reasoning(const JsonReader& item, Conversation& conversation) {
  item.refuse_others({"type", "id", "status", "summary", "content", "encrypted_content"});
  if (item.value("encrypted_content") != nullptr) refuse(item, "encrypted_content", "only plain content can be read");
  item.array("summary");
  const json::array* content = item.array("content");
  if (content == nullptr) return;
  conversation.add_reasoning(read_parts(*content, item.path_of("content"), {"reasoning_text"}));
}

void add_item(const JsonReader& item, Conversation& conversation) {
  const std::string type = item.string("type").value_or("message");
  if (type == "message") return add_message(item, conversation);
  if (type == "function_call") return add_call(item, conversation);
  if (type == "function_call_output") return add_result(item, conversation);
  if (type == "reasoning") return add_reasoning(item, conversation);
  refuse(item, "type", fmt::format("items of type \"{}\" are not supported", type));
}

}  // namespace

json::array read_response_input(const json::value& input, const std::string& path) {
  Conversation conversation;
  if (input.is_string()) {
    conversation.add_text("user", std::string_view(input.get_string()));
    return conversation.take();
  }
  const json::array* items = input.if_array();
  if (items == nullptr || items->empty()) {
    throw Error(ErrorCode::kInvalidArgument, path + ": expected a text or an array of at least one item", path);
  }
  for (size_t i = 0; i < items->size(); ++i) {
    add_item(JsonReader::of((*items)[i], fmt::format("{}[{}]", path, i)), conversation);
  }
  return conversation.take();
}

}  // namespace pelton::openai
