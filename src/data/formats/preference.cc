// Pairs of answers of which one is preferred.
//   HH:              {"chosen": "\n\nHuman: …\n\nAssistant: …", "rejected": "\n\nHuman: …"}
//   chosen/rejected: {"prompt": …, "chosen": …, "rejected": …}, each a string or a list of messages; without a prompt,
//   or
//                    where the answers repeat it, the turns that both begin with are the prompt.
#include <fmt/format.h>

#include <algorithm>

#include "data/formats/messages.h"
#include "data/json_string.h"

namespace pelton::data {
namespace {

using Key = ContentKey;

constexpr std::string_view kHuman = "\n\nHuman:";
constexpr std::string_view kAssistant = "\n\nAssistant:";

bool same_turn(const Message& a, const Message& b) {
  const auto same_call = [](const ToolCall& x, const ToolCall& y) {
    return x.id == y.id && x.name == y.name && x.arguments == y.arguments;
  };
  return a.role == b.role && a.content == b.content && a.reasoning == b.reasoning && a.name == b.name &&
         a.tool_call_id == b.tool_call_id &&
         std::equal(a.tool_calls.begin(), a.tool_calls.end(), b.tool_calls.begin(), b.tool_calls.end(), same_call);
}

// `prompt` is what is known of it; what both answers begin with goes there.
Problem set_pair(std::vector<Message> prompt, std::vector<Message> chosen, std::vector<Message> rejected,
                 Record& record, Arena& arena) {
  record.kind = RecordKind::kPreference;
  if (prompt.size() <= chosen.size() && prompt.size() <= rejected.size() &&
      std::equal(prompt.begin(), prompt.end(), chosen.begin(), same_turn) &&
      std::equal(prompt.begin(), prompt.end(), rejected.begin(), same_turn)) {
    prompt.clear();  // the answers repeat it
  }
  if (prompt.empty()) {
    const size_t shorter = std::min(chosen.size(), rejected.size());
    size_t shared = 0;
    while (shared + 1 < shorter && same_turn(chosen[shared], rejected[shared])) ++shared;
    prompt.assign(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(shared));
    chosen.erase(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(shared));
    rejected.erase(rejected.begin(), rejected.begin() + static_cast<std::ptrdiff_t>(shared));
  }
  if (chosen.empty() || rejected.empty()) return "an answer is empty";
  record.messages = in_arena(prompt, arena);
  record.chosen = in_arena(chosen, arena);
  record.rejected = in_arena(rejected, arena);
  return std::nullopt;
}

constexpr Key kHhKeys[] = {Key::kChosen, Key::kRejected};

bool matches_hh(const Content& content) {
  return content.is_string(Key::kChosen) && content.is_string(Key::kRejected) && !content.has(Key::kPrompt) &&
         content.string(Key::kChosen).starts_with(kHuman) && content.string(Key::kRejected).starts_with(kHuman);
}

std::vector<Message> read_dialogue(std::string_view text, Arena& arena) {
  std::vector<Message> turns;
  while (!text.empty()) {
    const bool is_human = text.starts_with(kHuman);
    text.remove_prefix(is_human ? kHuman.size() : kAssistant.size());
    const size_t end = std::min({text.find(kHuman), text.find(kAssistant), text.size()});
    std::string_view content = text.substr(0, end);
    if (content.starts_with(' ')) content.remove_prefix(1);
    turns.push_back({.role = is_human ? Role::kUser : Role::kAssistant, .content = arena.copy(content)});
    text.remove_prefix(end);
  }
  return turns;
}

Problem read_hh(const Content& content, Record& record, Arena& arena) {
  return set_pair({}, read_dialogue(content.string(Key::kChosen), arena),
                  read_dialogue(content.string(Key::kRejected), arena), record, arena);
}

Problem append_dialogue(std::span<const Message> turns, std::string& text) {
  for (const Message& turn : turns) {
    if ((turn.role != Role::kUser && turn.role != Role::kAssistant) || !turn.tool_calls.empty() ||
        !turn.reasoning.empty()) {
      return "HH knows only what a human and an assistant say";
    }
    if (turn.content.find(kHuman) != std::string_view::npos ||
        turn.content.find(kAssistant) != std::string_view::npos) {
      return "a turn says what in HH begins the next one";
    }
    text += turn.role == Role::kUser ? kHuman : kAssistant;
    text += ' ';
    text += turn.content;
  }
  return std::nullopt;
}

Problem write_hh(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kPreference) return "it is no pair of answers";
  for (const bool is_chosen : {true, false}) {
    std::string text;
    if (Problem problem = append_dialogue(record.messages, text)) return problem;
    if (Problem problem = append_dialogue(is_chosen ? record.chosen : record.rejected, text)) return problem;
    out += is_chosen ? "\"chosen\":" : ",\"rejected\":";
    append_json_string(out, text);
  }
  return std::nullopt;
}

constexpr Key kPairKeys[] = {Key::kPrompt, Key::kChosen, Key::kRejected, Key::kSystem};

bool is_text_or_list(const Content& content, Key key) { return content.is_string(key) || content.is_array(key); }

bool matches_pair(const Content& content) {
  return is_text_or_list(content, Key::kChosen) && is_text_or_list(content, Key::kRejected) &&
         (is_text_or_list(content, Key::kPrompt) || content.is_array(Key::kChosen));
}

Problem read_side(const Content& content, Key key, Role role, std::vector<Message>& turns, Arena& arena) {
  if (content.is_string(key)) {
    turns.push_back({.role = role, .content = arena.copy(content.string(key))});
    return std::nullopt;
  }
  if (!content.is_array(key)) return std::nullopt;
  Problem problem = read_messages(content.array(key), turns, arena);
  if (problem) return fmt::format("{}: {}", content_key_name(key), *problem);
  return std::nullopt;
}

Problem read_pair(const Content& content, Record& record, Arena& arena) {
  std::vector<Message> prompt;
  std::vector<Message> chosen;
  std::vector<Message> rejected;
  if (Problem problem = read_side(content, Key::kSystem, Role::kSystem, prompt, arena)) return problem;
  if (Problem problem = read_side(content, Key::kPrompt, Role::kUser, prompt, arena)) return problem;
  if (Problem problem = read_side(content, Key::kChosen, Role::kAssistant, chosen, arena)) return problem;
  if (Problem problem = read_side(content, Key::kRejected, Role::kAssistant, rejected, arena)) return problem;
  return set_pair(std::move(prompt), std::move(chosen), std::move(rejected), record, arena);
}

bool is_plain(std::span<const Message> turns, Role role) {
  return turns.size() == 1 && turns[0].role == role && turns[0].tool_calls.empty() && turns[0].reasoning.empty();
}

// One question and two answers are strings, all else lists of messages.
Problem write_pair(const Record& record, std::string& out) {
  if (record.kind != RecordKind::kPreference) return "it is no pair of answers";
  const bool are_strings = is_plain(record.messages, Role::kUser) && is_plain(record.chosen, Role::kAssistant) &&
                           is_plain(record.rejected, Role::kAssistant);
  const auto write_side = [&](std::string_view name, std::span<const Message> turns) {
    out += name;
    if (are_strings) {
      append_json_string(out, turns[0].content);
    } else {
      write_messages(turns, out);
    }
  };
  write_side("\"prompt\":", record.messages);
  write_side(",\"chosen\":", record.chosen);
  write_side(",\"rejected\":", record.rejected);
  return std::nullopt;
}

}  // namespace

extern const FormatType kHhFormat;
extern const FormatType kChosenRejectedFormat;
const FormatType kHhFormat = {Format::kHh, "hh", kHhKeys, matches_hh, read_hh, write_hh};
const FormatType kChosenRejectedFormat = {
    Format::kChosenRejected, "chosen_rejected", kPairKeys, matches_pair, read_pair, write_pair};

}  // namespace pelton::data
