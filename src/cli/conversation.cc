#include "cli/conversation.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "server/openai/chat_message.h"
#include "text/utf8.h"

namespace pelton::cli {
namespace {

// A template gets tools as they are, so only the form that all of them read is let through.
json::array read_tools(const json::array& tools) {
  for (size_t i = 0; i < tools.size(); ++i) {
    const JsonReader tool = JsonReader::of(tools[i], fmt::format("tools[{}]", i));
    if (tool.string("type") != "function") tool.fail("type", "\"function\"");
    const json::object* function = tool.object("function");
    if (function == nullptr) tool.fail("function", "an object");
    const JsonReader reader(*function, tool.path_of("function"));
    if (reader.string("name").value_or("").empty()) reader.fail("name", "a non-empty string");
  }
  return tools;
}

bool is_system(const json::value& message) { return message.at("role").as_string() == "system"; }

}  // namespace

void Conversation::add(std::string_view role, std::string_view text) {
  messages.push_back(json::object{{"role", role}, {"content", text}});
}

void Conversation::set_system(std::string_view text) {
  if (!messages.empty() && is_system(messages.front())) messages.erase(messages.begin());
  if (text.empty()) return;
  messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", text}});
}

Conversation parse_conversation(std::string_view text, std::string_view what) {
  const json::value document = parse_json(text, what);
  Conversation conversation;
  const json::array* messages = document.if_array();
  if (messages == nullptr) {
    if (!document.is_object()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: expected an array of messages, or an object with \"messages\"", what));
    }
    const JsonReader reader = JsonReader::of(document, std::string());
    reader.refuse_others({"messages", "tools"});
    messages = reader.array("messages");
    if (const json::array* tools = reader.array("tools")) conversation.tools = read_tools(*tools);
  }
  if (messages == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: there are no messages in it", what), "messages");
  }
  conversation.messages = openai::read_messages(*messages, "messages");
  return conversation;
}

Conversation read_conversation(const std::string& path) {
  if (path == "-") return parse_conversation(read_standard_input(), "standard input");
  return parse_conversation(read_file(path, kInputBytesMax), path);
}

void require_utf8(std::string_view text, std::string_view what) {
  if (const std::optional<size_t> position = find_invalid_utf8(text)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is not valid UTF-8 at byte {}", what, *position));
  }
}

std::string read_standard_input() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const size_t count = std::fread(buffer, 1, sizeof buffer, stdin);
    text.append(buffer, count);
    if (text.size() > kInputBytesMax) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("standard input has more than {} bytes, the most that is read", kInputBytesMax));
    }
    if (count == sizeof buffer) continue;
    if (std::ferror(stdin) != 0) {
      throw Error(ErrorCode::kIo, fmt::format("cannot read standard input: {}", std::strerror(errno)));
    }
    return text;
  }
}

void require_chat_template(const ModelBundle& bundle) {
  if (bundle.chat_template != nullptr) return;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{} has no chat template, so it cannot chat; `pelton run --text \"…\"` completes plain text with it",
                  bundle.path.string()));
}

EncodedChat encode_conversation(const ModelBundle& bundle, const Conversation& conversation,
                                bool allow_special_in_messages, bool is_finished) {
  require_chat_template(bundle);
  ChatTemplate::Input input;
  input.messages = conversation.messages;
  input.tools = conversation.tools;
  input.add_generation_prompt = !is_finished;
  return encode_chat(*bundle.tokenizer, *bundle.chat_template, input,
                     {.allow_special_in_messages = allow_special_in_messages});
}

}  // namespace pelton::cli
