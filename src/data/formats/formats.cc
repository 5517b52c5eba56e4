// The list of formats, and what text, OpenAI's messages, UltraChat and prompt/completion look like.
#include <fmt/format.h>

#include "base/check.h"
#include "data/formats/messages.h"
#include "data/json_string.h"

namespace pelton::data {

// In files of their own.
extern const FormatType kAlpacaFormat;
extern const FormatType kShareGptFormat;
extern const FormatType kHhFormat;
extern const FormatType kChosenRejectedFormat;

namespace {

using Key = ContentKey;
using simdjson::dom::element;

constexpr std::string_view kKeyNames[kContentKeyCount] = {
    "text", "content", "messages",   "conversations", "conversation", "instruction", "input",  "output", "history",
    "data", "prompt",  "completion", "response",      "chosen",       "rejected",    "system", "tools"};

// {"text": "…"}; some corpora call it `content`.
constexpr Key kTextKeys[] = {Key::kText, Key::kContent};

bool matches_text(const Content& content) { return content.is_string(Key::kText) || content.is_string(Key::kContent); }

Problem read_text(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kText;
  record.text = arena.copy(content.string(content.is_string(Key::kText) ? Key::kText : Key::kContent));
  return std::nullopt;
}

Problem write_text(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kText) return "a chat is no plain text: render it by a model's template first";
  out += "\"text\":";
  append_json_string(out, record.text);
  return std::nullopt;
}

// {"messages": [{"role": …, "content": …}, …], "tools": […]}
constexpr Key kMessagesKeys[] = {Key::kMessages, Key::kConversations, Key::kConversation, Key::kTools};

Key messages_key(const Content& content) {
  if (content.is_array(Key::kMessages)) return Key::kMessages;
  return content.is_array(Key::kConversations) ? Key::kConversations : Key::kConversation;
}

bool matches_messages(const Content& content) { return content.is_array(messages_key(content)); }

Problem read_openai(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kChat;
  std::vector<Message> messages;
  if (Problem problem = read_messages(content.array(messages_key(content)), messages, arena)) return problem;
  record.messages = in_arena(messages, arena);
  return read_tools(content, record, arena);
}

Problem write_openai(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kChat) return "it is no chat";
  out += "\"messages\":";
  write_messages(record.messages, out);
  write_tools(record, out);
  return std::nullopt;
}

// {"data": ["question", "answer", …]}
constexpr Key kUltraChatKeys[] = {Key::kData};

bool matches_ultrachat(const Content& content) {
  if (!content.is_array(Key::kData)) return false;
  for (const element turn : content.array(Key::kData)) {
    if (!turn.is_string()) return false;
  }
  return content.array(Key::kData).size() > 0;
}

Problem read_ultrachat(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kChat;
  std::vector<Message> messages;
  for (const element turn : content.array(Key::kData)) {
    Message& message = messages.emplace_back();
    message.role = messages.size() % 2 == 1 ? Role::kUser : Role::kAssistant;
    message.content = arena.copy(turn.get_string().value_unsafe());
  }
  record.messages = in_arena(messages, arena);
  return std::nullopt;
}

Problem write_ultrachat(const Record& record, std::string& out) {
  if (Problem problem = check_plain_turns(record)) return problem;
  if (record.messages[0].role == Role::kSystem) return "there is no place for a system prompt";
  out += "\"data\":[";
  for (size_t i = 0; i < record.messages.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, record.messages[i].content);
  }
  out += ']';
  return std::nullopt;
}

// {"prompt": "…", "completion": "…"}; both may be lists of messages.
constexpr Key kPromptCompletionKeys[] = {Key::kPrompt, Key::kCompletion, Key::kResponse, Key::kSystem, Key::kTools};

Key completion_key(const Content& content) { return content.has(Key::kCompletion) ? Key::kCompletion : Key::kResponse; }

bool matches_prompt_completion(const Content& content) {
  const Key completion = completion_key(content);
  return (content.is_string(Key::kPrompt) && content.is_string(completion)) ||
         (content.is_array(Key::kPrompt) && content.is_array(completion));
}

Problem read_prompt_completion(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kChat;
  std::vector<Message> messages;
  const Key completion = completion_key(content);
  if (content.is_string(Key::kSystem)) {
    messages.push_back({.role = Role::kSystem, .content = arena.copy(content.string(Key::kSystem))});
  }
  if (content.is_string(Key::kPrompt)) {
    messages.push_back({.role = Role::kUser, .content = arena.copy(content.string(Key::kPrompt))});
    messages.push_back({.role = Role::kAssistant, .content = arena.copy(content.string(completion))});
  } else {
    for (const Key key : {Key::kPrompt, completion}) {
      if (Problem problem = read_messages(content.array(key), messages, arena)) return problem;
    }
  }
  record.messages = in_arena(messages, arena);
  return read_tools(content, record, arena);
}

// One question and its answer are two strings, all else two lists of messages.
Problem write_prompt_completion(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kChat) return "it is no chat";
  if (record.messages.empty() || record.messages.back().role != Role::kAssistant)
    return "it does not end with an answer";
  const bool is_plain = !check_plain_turns(record) && record.messages.size() == 2;
  out += "\"prompt\":";
  if (is_plain) {
    append_json_string(out, record.messages[0].content);
    out += ",\"completion\":";
    append_json_string(out, record.messages[1].content);
  } else {
    write_messages(record.messages.first(record.messages.size() - 1), out);
    out += ",\"completion\":";
    write_messages(record.messages.last(1), out);
    write_tools(record, out);
  }
  return std::nullopt;
}

const FormatType kFormats[] = {
    kHhFormat,
    kChosenRejectedFormat,
    kShareGptFormat,
    {Format::kMessages, "messages", kMessagesKeys, matches_messages, read_openai, write_openai},
    {Format::kUltraChat, "ultrachat", kUltraChatKeys, matches_ultrachat, read_ultrachat, write_ultrachat},
    kAlpacaFormat,
    {Format::kPromptCompletion, "prompt_completion", kPromptCompletionKeys, matches_prompt_completion,
     read_prompt_completion, write_prompt_completion},
    {Format::kText, "text", kTextKeys, matches_text, read_text, write_text},
};

}  // namespace

std::optional<ContentKey> content_key(std::string_view name) {
  for (size_t i = 0; i < kContentKeyCount; ++i) {
    if (kKeyNames[i] == name) return static_cast<ContentKey>(i);
  }
  return std::nullopt;
}

std::string_view content_key_name(ContentKey key) { return kKeyNames[static_cast<size_t>(key)]; }

std::span<const FormatType> format_types() { return kFormats; }

const FormatType& format_type(Format format) {
  for (const FormatType& type : kFormats) {
    if (type.format == format) return type;
  }
  PELTON_UNREACHABLE();
}

std::string_view format_name(Format format) { return format_type(format).name; }

std::optional<Format> format_named(std::string_view name) {
  for (const FormatType& type : kFormats) {
    if (type.name == name) return type.format;
  }
  return std::nullopt;
}

std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names;
  for (const FormatType& type : kFormats) names.push_back(type.name);
  return names;
}

}  // namespace pelton::data
