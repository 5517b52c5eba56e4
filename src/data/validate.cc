#include "data/validate.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <span>

#include "data/formats/format.h"

namespace pelton::data {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

// Fences stand at the beginning of a line, maybe indented (CommonMark, section 4.5).
size_t count_fences(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t first = line.find_first_not_of(' ');
    if (first != std::string_view::npos && line.substr(first).starts_with("```")) {
      // ```code``` in one line opens nothing.
      if (line.find("```", first + 3) == std::string_view::npos) ++count;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return count;
}

bool says_same(std::span<const Message> a, std::span<const Message> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Message& x, const Message& y) {
    return x.role == y.role && x.content == y.content && x.tool_calls.size() == y.tool_calls.size() &&
           std::equal(
               x.tool_calls.begin(), x.tool_calls.end(), y.tool_calls.begin(),
               [](const ToolCall& p, const ToolCall& q) { return p.name == q.name && p.arguments == q.arguments; });
  });
}

std::string_view type_name(element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "array";
    case element_type::OBJECT:
      return "object";
    case element_type::STRING:
      return "string";
    case element_type::BOOL:
      return "boolean";
    case element_type::NULL_VALUE:
      return "null";
    case element_type::DOUBLE:
      return "number";
    default:
      return "integer";
  }
}

bool is_of_type(element value, std::string_view wanted) {
  const std::string_view type = type_name(value);
  return type == wanted || (wanted == "number" && type == "integer");
}

// `type` of JSON Schema: a name or a list of names.
bool matches_type(element value, element schema) {
  element type;
  if (schema["type"].get(type) != simdjson::SUCCESS) return true;
  if (std::string_view name; type.get_string().get(name) == simdjson::SUCCESS) return is_of_type(value, name);
  if (!type.is_array()) return true;
  for (const element item : array_of(type)) {
    std::string_view name;
    if (item.get_string().get(name) == simdjson::SUCCESS && is_of_type(value, name)) return true;
  }
  return false;
}

// The definition of a tool, `{"type": "function", "function": {"name": …}}` or the inner object alone.
bool find_tool(array tools, std::string_view name, object& found) {
  for (const element tool : tools) {
    element function = tool;
    if (element inner; tool["function"].get(inner) == simdjson::SUCCESS) function = inner;
    std::string_view its_name;
    if (function["name"].get_string().get(its_name) == simdjson::SUCCESS && its_name == name) {
      return function.get_object().get(found) == simdjson::SUCCESS;
    }
  }
  return false;
}

}  // namespace

class Validator::Checks {
 public:
  std::vector<Finding> check(const Record& record);

 private:
  void check_turns(std::span<const Message> turns, const Record& record);
  void check_order(std::span<const Message> turns);
  void check_text(const Message& message, size_t turn);
  void check_calls(std::span<const Message> turns, const Record& record);
  void check_call(const ToolCall& call, size_t turn, const Record& record);
  void check_schema(const ToolCall& call, size_t turn, object arguments, element parameters);
  void find(std::string_view rule, std::string detail) { findings_.push_back({rule, std::move(detail)}); }

  std::vector<Finding> findings_;
  simdjson::dom::parser tools_parser_;
  simdjson::dom::parser arguments_parser_;
};

Validator::Validator() : checks_(std::make_unique<Checks>()) {}
Validator::~Validator() = default;
std::vector<Finding> Validator::check(const Record& record) { return checks_->check(record); }

std::vector<Finding> Validator::Checks::check(const Record& record) {
  findings_.clear();
  if (record.kind == RecordKind::kText) return {};
  if (record.kind == RecordKind::kChat) {
    check_turns(record.messages, record);
    return std::move(findings_);
  }
  for (const std::span<Message> side : {record.chosen, record.rejected}) {
    std::vector<Message> turns(record.messages.begin(), record.messages.end());
    turns.insert(turns.end(), side.begin(), side.end());
    check_turns(turns, record);
  }
  if (says_same(record.chosen, record.rejected)) find("same_answers", "chosen and rejected say the same");
  return std::move(findings_);
}

void Validator::Checks::check_turns(std::span<const Message> turns, const Record& record) {
  if (turns.empty()) return find("no_messages", "there is no message");
  for (size_t i = 0; i < turns.size(); ++i) check_text(turns[i], i + 1);
  check_order(turns);
  check_calls(turns, record);
}

void Validator::Checks::check_order(std::span<const Message> turns) {
  Role last = Role::kSystem;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Role role = turns[i].role;
    const bool is_instruction = role == Role::kSystem || role == Role::kDeveloper;
    if (is_instruction) {
      if (last != Role::kSystem) find("late_system", fmt::format("message {}", i + 1));
      continue;
    }
    // After a tool's results the assistant speaks again; parallel calls have results in a row.
    const bool is_in_order = role == Role::kUser        ? last == Role::kSystem || last == Role::kAssistant
                             : role == Role::kAssistant ? last == Role::kUser || last == Role::kTool
                                                        : last == Role::kAssistant || last == Role::kTool;
    if (!is_in_order) {
      find("role_order", fmt::format("message {}: {} after {}", i + 1, role_name(role),
                                     last == Role::kSystem ? "the beginning" : role_name(last)));
    }
    last = role;
  }
  if (turns.back().role != Role::kAssistant) {
    find("no_answer", fmt::format("the last message is the {}'s", role_name(turns.back().role)));
  }
}

void Validator::Checks::check_text(const Message& message, size_t turn) {
  const bool is_empty = is_blank(message.content) && message.tool_calls.empty();
  // A tool may well return nothing.
  if (is_empty && message.reasoning.empty() && message.role != Role::kTool) {
    find("empty_turn", fmt::format("message {}", turn));
  }
  if (message.role == Role::kTool) return;
  if (count_fences(message.content) % 2 != 0) find("unclosed_code", fmt::format("message {}", turn));
  if (message.role != Role::kAssistant) return;
  if (is_empty && !message.reasoning.empty()) find("reasoning_without_answer", fmt::format("message {}", turn));
  const size_t opened = count_of(message.content, "<think>");
  constexpr std::string_view kClose = "</think>";
  if (opened > count_of(message.content, kClose)) {
    find("unclosed_reasoning", fmt::format("message {}", turn));
  } else if (opened > 0 && message.tool_calls.empty() &&
             is_blank(message.content.substr(message.content.rfind(kClose) + kClose.size()))) {
    find("reasoning_without_answer", fmt::format("message {}", turn));
  }
}

void Validator::Checks::check_calls(std::span<const Message> turns, const Record& record) {
  std::vector<const ToolCall*> open;
  const auto report_open = [&](size_t turn) {
    for (const ToolCall* call : open) {
      find("unanswered_call", fmt::format("before message {}: {} {}", turn, call->name, call->id));
    }
    open.clear();
  };
  for (size_t i = 0; i < turns.size(); ++i) {
    const Message& message = turns[i];
    if (message.role != Role::kTool) {
      report_open(i + 1);
      for (const ToolCall& call : message.tool_calls) {
        check_call(call, i + 1, record);
        open.push_back(&call);
      }
      continue;
    }
    // By its id; without one, by the order of the calls.
    const auto call = std::find_if(open.begin(), open.end(), [&](const ToolCall* candidate) {
      return message.tool_call_id.empty() || candidate->id.empty() || candidate->id == message.tool_call_id;
    });
    if (call == open.end()) {
      find("result_without_call", fmt::format("message {} {}", i + 1, message.tool_call_id));
    } else {
      open.erase(call);
    }
  }
  // A chat may end with a call: that is what a model for tools learns.
}

void Validator::Checks::check_call(const ToolCall& call, size_t turn, const Record& record) {
  object arguments;
  const std::string_view text = call.arguments.empty() ? "{}" : call.arguments;
  const bool is_object =
      arguments_parser_.parse(text.data(), text.size()).get_object().get(arguments) == simdjson::SUCCESS;
  if (!is_object) find("bad_arguments", fmt::format("message {}: {}", turn, call.name));
  if (record.tools.empty()) return;
  array tools;
  if (tools_parser_.parse(record.tools.data(), record.tools.size()).get_array().get(tools) != simdjson::SUCCESS) return;
  object tool;
  if (!find_tool(tools, call.name, tool)) return find("unknown_tool", fmt::format("message {}: {}", turn, call.name));
  element parameters;
  if (is_object && tool["parameters"].get(parameters) == simdjson::SUCCESS) {
    check_schema(call, turn, arguments, parameters);
  }
}

// The first level of JSON Schema: required, properties with their types, additionalProperties.
void Validator::Checks::check_schema(const ToolCall& call, size_t turn, object arguments, element parameters) {
  const auto fail = [&](std::string_view what, std::string_view name) {
    find("arguments_against_schema", fmt::format("message {}: {}: {} '{}'", turn, call.name, what, name));
  };
  if (array required; parameters["required"].get_array().get(required) == simdjson::SUCCESS) {
    for (const element item : required) {
      std::string_view name;
      element unused;
      if (item.get_string().get(name) == simdjson::SUCCESS && arguments[name].get(unused) != simdjson::SUCCESS) {
        fail("without the required", name);
      }
    }
  }
  object properties;
  if (parameters["properties"].get_object().get(properties) != simdjson::SUCCESS) return;
  bool allows_others = false;
  if (bool flag = false; parameters["additionalProperties"].get_bool().get(flag) == simdjson::SUCCESS) {
    allows_others = flag;
  }
  for (const auto [name, value] : arguments) {
    element schema;
    if (properties[name].get(schema) != simdjson::SUCCESS) {
      if (!allows_others) fail("the tool has no", name);
    } else if (!matches_type(value, schema)) {
      fail("of another type:", name);
    }
  }
}

}  // namespace pelton::data
