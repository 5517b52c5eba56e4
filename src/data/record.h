// The one form of a record, whatever it was read from: plain text, a chat, or a pair of answers of which one is
// preferred.
//
// A record is views: into the block of input that it was read from and into its batch's arena. It lives as long as its
// batch. A step that makes new text puts it into the arena. A record that no step changed is written as the line that
// it was read as, byte for byte; what happened to it is kept beside the data, not inside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/arena.h"

namespace pelton::data {

// Why something could not be read or written; nothing: it could.
using Problem = std::optional<std::string>;

enum class Role : uint8_t { kSystem, kDeveloper, kUser, kAssistant, kTool };
std::string_view role_name(Role role);  // "assistant"

struct ToolCall {
  std::string_view id;         // empty: none
  std::string_view name;       // of the function
  std::string_view arguments;  // JSON, as text: not necessarily valid
};

struct Message {
  Role role = Role::kUser;
  std::string_view content;
  std::string_view reasoning;            // what the model thought before its answer; empty: none
  std::string_view name;                 // of the speaker or of the tool; empty: none
  std::string_view tool_call_id;         // Role::kTool: the call that this answers; empty: none
  std::span<const ToolCall> tool_calls;  // Role::kAssistant
  std::string_view extra;                // what else its JSON object held: members, as JSON; empty: nothing
};

enum class RecordKind : uint8_t {
  kText,        // `text`
  kChat,        // `messages`
  kPreference,  // `messages` is what both answer, `chosen` and `rejected` are how they go on
};

// 128 bits: in 10¹² different records, two equal hashes are still improbable (1.5·10⁻¹⁵).
struct ContentHash {
  uint64_t high = 0;
  uint64_t low = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang 14 takes its own 0 for ours
  auto operator<=>(const ContentHash&) const = default;
  std::string to_hex() const;  // 32 digits
};

// A field of the record's JSON object beside its content: whatever a data set tells of its records.
using FieldValue = std::variant<std::monostate, bool, double, std::string_view>;  // monostate: null
struct Field {
  std::string_view key;  // fields of an object in an object are joined with points: "meta.license"
  FieldValue value;
  bool is_new = false;  // by a step; it is written at the end of the object
};

// What holds for all records of a file, unless their own fields say otherwise. One in the recipe's `input`.
struct SourceFile {
  std::string path;
  size_t index = 0;  // among the run's inputs
  std::string url;
  std::string license;
  std::string split;
  bool is_synthetic = false;
  std::string model;   // synthetic: who wrote it
  std::string prompt;  // synthetic: asked by what
};

// How content lies in a JSON object; one line each in the list of formats.cc.
enum class Format : uint8_t {
  kText,
  kMessages,
  kAlpaca,
  kShareGpt,
  kUltraChat,
  kHh,
  kPromptCompletion,
  kChosenRejected
};

std::string_view format_name(Format format);  // "sharegpt"
std::optional<Format> format_named(std::string_view name);
std::vector<std::string_view> format_names();

struct Record {
  std::string_view id;  // its own `id`, else "FILE:LINE"
  bool has_own_id = false;
  ContentHash hash;  // of its content as it was read, whatever the format it came in
  RecordKind kind = RecordKind::kText;
  Format format = Format::kText;

  std::string_view text;        // kText
  std::span<Message> messages;  // kChat, kPreference
  std::span<Message> chosen;    // kPreference
  std::span<Message> rejected;  // kPreference
  std::string_view tools;       // JSON array of the tools that the chat may call; empty: none
  std::span<Field> fields;      // scalars only: arrays stay in `line`

  const SourceFile* source = nullptr;  // outlives the run
  uint64_t line_number = 0;            // in `source`, from 1; of CSV and Parquet the row
  std::string_view line;               // its JSON object as it was read, without the newline
  uint64_t changed_by = 0;             // bit i: the recipe's step i has changed it

  bool is_changed() const { return changed_by != 0; }
};

// Calls `visit(std::string_view)` for each text that a person or a model wrote: the text, or the contents (and
// reasoning) of the messages, in order.
template <typename Visit>
void for_each_text(const Record& record, Visit&& visit) {
  if (record.kind == RecordKind::kText) visit(record.text);
  for (const std::span<Message> turns : {record.messages, record.chosen, record.rejected}) {
    for (const Message& message : turns) {
      if (!message.reasoning.empty()) visit(message.reasoning);
      visit(message.content);
    }
  }
}

// The same for a step that rewrites: `rewrite(std::string_view& text)` puts another view, into the arena, in its place.
template <typename Rewrite>
void rewrite_each_text(Record& record, Rewrite&& rewrite) {
  if (record.kind == RecordKind::kText) rewrite(record.text);
  for (const std::span<Message> turns : {record.messages, record.chosen, record.rejected}) {
    for (Message& message : turns) {
      if (!message.reasoning.empty()) rewrite(message.reasoning);
      rewrite(message.content);
    }
  }
}

// All of the record's text as one: the text itself, or the contents of a chat with an empty line between them (then it
// lies in `arena`).
std::string_view whole_text(const Record& record, Arena& arena);

// Null where there is none of that key.
const Field* find_field(const Record& record, std::string_view key);
// Replaces the field or adds it. The value's text and the key must live as long as the batch.
void set_field(Record& record, std::string_view key, FieldValue value, Arena& arena);

// Its own field (`license` or `licence`, `url`, `split`, `synthetic`, also below `meta` or `metadata`), else its
// file's. Empty: not known.
std::string_view license_of(const Record& record);
std::string_view url_of(const Record& record);
std::string_view split_of(const Record& record);
bool is_synthetic(const Record& record);

}  // namespace pelton::data
