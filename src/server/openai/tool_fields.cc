#include "server/openai/tool_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pelton::openai {
namespace {

constexpr size_t kNameBytesMax = 64;  // OpenAI's

bool is_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), is_allowed);
}

}  // namespace

std::string tool_name(const JsonReader& reader) {
  const std::optional<std::string> name = reader.string("name");
  if (!name || !is_name(*name)) {
    reader.fail("name", fmt::format("1 to {} letters, digits, _ and -", kNameBytesMax));
  }
  return *name;
}

void check_tool_count(const JsonReader& reader, std::string_view name, size_t count) {
  if (count <= ToolFields::kToolCountMax) return;
  reader.fail(name, fmt::format("at most {} tools", ToolFields::kToolCountMax));
}

void add_tool(const JsonReader& reader, const json::object* parameters, ToolFields& fields) {
  const json::object none = {{"type", "object"}, {"properties", json::object()}};
  Tool tool = {tool_name(reader), json::value(parameters != nullptr ? *parameters : none)};
  const auto has_its_name = [&](const Tool& other) { return other.name == tool.name; };
  if (std::any_of(fields.tools.begin(), fields.tools.end(), has_its_name)) {
    reader.fail("name", "another name than that of a tool before");
  }
  fields.tools.push_back(std::move(tool));
}

void read_tools(const JsonReader& reader, std::string_view name, ToolFields& fields) {
  const json::array* tools = reader.array(name);
  if (tools == nullptr) return;
  check_tool_count(reader, name, tools->size());
  for (size_t i = 0; i < tools->size(); ++i) {
    const JsonReader tool = JsonReader::of((*tools)[i], fmt::format("{}[{}]", reader.path_of(name), i));
    tool.refuse_others({"type", "function"});
    if (tool.string("type") != "function") tool.fail("type", "\"function\"");
    const json::object* function = tool.object("function");
    if (function == nullptr) tool.fail("function", "an object");
    const JsonReader definition(*function, tool.path_of("function"));
    definition.refuse_others({"name", "description", "parameters", "strict"});
    definition.string("description");
    definition.boolean("strict");
    add_tool(definition, definition.object("parameters"), fields);
  }
  fields.definitions = *tools;
}

void read_tool_choice(const JsonReader& reader, std::string_view name, ToolFields& fields) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  if (*value == "none") {
    fields.choice = ToolChoice::kNone;
  } else if (*value == "auto") {
    fields.choice = ToolChoice::kAuto;
  } else if (*value == "required") {
    fields.choice = ToolChoice::kRequired;
  } else if (value->is_object()) {
    const JsonReader choice(value->get_object(), reader.path_of(name));
    choice.refuse_others({"type", "function"});
    if (choice.string("type") != "function") choice.fail("type", "\"function\"");
    const json::object* function = choice.object("function");
    if (function == nullptr) choice.fail("function", "an object");
    const JsonReader named(*function, choice.path_of("function"));
    named.refuse_others({"name"});
    fields.named = tool_name(named);
    fields.choice = ToolChoice::kRequired;
  } else {
    reader.fail(name, "\"none\", \"auto\", \"required\" or a function");
  }
}

void check(const ToolFields& fields) {
  const auto refuse = [](const std::string& problem) {
    throw Error(ErrorCode::kInvalidArgument, "tool_choice: " + problem, "tool_choice");
  };
  if (fields.choice == ToolChoice::kRequired && fields.tools.empty()) refuse("there are no tools to call");
  if (!fields.named) return;
  const auto is_it = [&](const Tool& tool) { return tool.name == *fields.named; };
  if (std::none_of(fields.tools.begin(), fields.tools.end(), is_it)) {
    refuse(fmt::format("no tool is named \"{}\"", *fields.named));
  }
}

}  // namespace pelton::openai
