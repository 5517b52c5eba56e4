// Alpaca: {"instruction": …, "input": …, "output": …}, with `system` and `history` where there are any.
#include "data/formats/messages.h"
#include "data/json_string.h"

namespace pelton::data {
namespace {

using Key = ContentKey;
using simdjson::dom::array;
using simdjson::dom::element;

constexpr Key kKeys[] = {Key::kInstruction, Key::kInput, Key::kOutput, Key::kSystem, Key::kHistory};

bool matches(const Content& content) { return content.is_string(Key::kInstruction) && content.is_string(Key::kOutput); }

// Pairs of a question and its answer.
Problem read_history(array history, std::vector<Message>& messages, Arena& arena) {
  for (const element pair : history) {
    for (const size_t i : {0, 1}) {
      std::string_view text;
      if (pair.at(i).get_string().get(text) != simdjson::SUCCESS) return "a turn of history that is no pair of strings";
      messages.push_back({.role = i == 0 ? Role::kUser : Role::kAssistant, .content = arena.copy(text)});
    }
  }
  return std::nullopt;
}

// The user says the instruction, and the input below it.
Problem read(const Content& content, Record& record, Arena& arena) {
  record.kind = RecordKind::kChat;
  std::vector<Message> messages;
  if (content.is_string(Key::kSystem) && !content.string(Key::kSystem).empty()) {
    messages.push_back({.role = Role::kSystem, .content = arena.copy(content.string(Key::kSystem))});
  }
  if (content.is_array(Key::kHistory)) {
    if (Problem problem = read_history(content.array(Key::kHistory), messages, arena)) return problem;
  }
  std::string question(content.string(Key::kInstruction));
  if (content.is_string(Key::kInput) && !content.string(Key::kInput).empty()) {
    question += "\n\n";
    question += content.string(Key::kInput);
  }
  messages.push_back({.role = Role::kUser, .content = arena.copy(question)});
  messages.push_back({.role = Role::kAssistant, .content = arena.copy(content.string(Key::kOutput))});
  record.messages = in_arena(messages, arena);
  return std::nullopt;
}

// Where an instruction ends and its input begins is not known any more: all of it is the instruction.
Problem write(const Record& record, std::string& out) {
  if (Problem problem = check_plain_turns(record)) return problem;
  std::span<const Message> turns = record.messages;
  std::string_view system;
  if (turns[0].role == Role::kSystem) {
    system = turns[0].content;
    turns = turns.subspan(1);
  }
  const std::span<const Message> history = turns.first(turns.size() - 2);
  out += "\"instruction\":";
  append_json_string(out, turns[turns.size() - 2].content);
  out += ",\"input\":\"\",\"output\":";
  append_json_string(out, turns.back().content);
  if (!system.empty()) {
    out += ",\"system\":";
    append_json_string(out, system);
  }
  if (history.empty()) return std::nullopt;
  out += ",\"history\":[";
  for (size_t i = 0; i < history.size(); i += 2) {
    out += i == 0 ? "[" : ",[";
    append_json_string(out, history[i].content);
    out += ',';
    append_json_string(out, history[i + 1].content);
    out += ']';
  }
  out += ']';
  return std::nullopt;
}

}  // namespace

extern const FormatType kAlpacaFormat;
const FormatType kAlpacaFormat = {Format::kAlpaca, "alpaca", kKeys, matches, read, write};

}  // namespace pelton::data
