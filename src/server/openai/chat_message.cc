#include "server/openai/chat_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"

namespace pelton::openai {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

std::string read_parts(const json::array& parts, const std::string& path) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const JsonReader part = JsonReader::of(parts[i], fmt::format("{}[{}]", path, i));
    const std::string type = part.string("type").value_or("");
    if (type != "text") {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: parts of type \"{}\" are not supported, only \"text\"", part.path_of("type"), type),
                  part.path_of("type"));
    }
    part.refuse_others({"type", "text"});
    const auto piece = part.string("text");
    if (!piece) part.fail("text", "a string");
    if (i > 0) text += '\n';
    text += *piece;
  }
  return text;
}

std::string read_content(const JsonReader& message) {
  const json::value* content = message.value("content");
  if (content == nullptr) return "";
  if (content->is_array()) return read_parts(content->get_array(), message.path_of("content"));
  if (!content->is_string()) message.fail("content", "a string or an array of text parts");
  return std::string(content->get_string());
}

json::array read_tool_calls(const json::array& calls, const std::string& path) {
  json::array read;
  for (size_t i = 0; i < calls.size(); ++i) {
    const JsonReader call = JsonReader::of(calls[i], fmt::format("{}[{}]", path, i));
    call.refuse_others({"id", "type", "function"});
    if (call.string("type").value_or("function") != "function") call.fail("type", "\"function\"");
    const json::object* function = call.object("function");
    if (function == nullptr) call.fail("function", "an object");
    const JsonReader reader(*function, call.path_of("function"));
    reader.refuse_others({"name", "arguments"});
    const auto name = reader.string("name");
    if (!name) reader.fail("name", "a string");
    json::object copy = {{"type", "function"}};
    copy["function"] = {{"name", *name}, {"arguments", arguments_of(reader.string("arguments").value_or("{}"))}};
    if (const auto id = call.string("id")) copy["id"] = *id;
    read.push_back(std::move(copy));
  }
  return read;
}

json::object read_message(const JsonReader& message) {
  message.refuse_others({"role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content",
                         // What an answer of ours or OpenAI's carries when it is sent back:
                         "refusal", "annotations", "audio", "function_call"});
  for (const std::string_view name : {"refusal", "audio", "function_call"}) {
    if (message.value(name) != nullptr) message.fail(name, "null (not supported)");
  }
  if (const json::array* annotations = message.array("annotations"); annotations != nullptr && !annotations->empty()) {
    message.fail("annotations", "an empty array (not supported)");
  }

  const std::string role = message.string("role").value_or("");
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    message.fail("role", "\"system\", \"developer\", \"user\", \"assistant\" or \"tool\"");
  }
  const json::array* calls = message.array("tool_calls");
  if (calls != nullptr && role != "assistant") message.fail("tool_calls", "none: only the assistant calls tools");
  if (message.value("content") == nullptr && (calls == nullptr || calls->empty())) message.fail("content", "a string");

  json::object read = {{"role", role == "developer" ? "system" : role}, {"content", read_content(message)}};
  for (const std::string_view name : {"name", "tool_call_id", "reasoning_content"}) {
    if (const auto value = message.string(name)) read[name] = *value;
  }
  if (calls != nullptr && !calls->empty()) read["tool_calls"] = read_tool_calls(*calls, message.path_of("tool_calls"));
  return read;
}

}  // namespace

json::value arguments_of(const std::string& text) {
  boost::system::error_code error;
  json::value arguments = json::parse(text, error);
  return !error && arguments.is_object() ? arguments : json::value(json::string(text));
}

json::array read_messages(const json::array& messages, const std::string& path) {
  if (messages.empty()) throw Error(ErrorCode::kInvalidArgument, path + ": at least one message is needed", path);
  json::array read;
  read.reserve(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    read.push_back(read_message(JsonReader::of(messages[i], fmt::format("{}[{}]", path, i))));
  }
  return read;
}

}  // namespace pelton::openai
