// What a chat request says of tools: `tools`, `tool_choice`, `parallel_tool_calls`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tool_form.h"

namespace pelton::openai {

struct ToolFields {
  static constexpr size_t kToolCountMax = 128;  // OpenAI's

  json::array definitions;  // as chat templates expect them
  std::vector<Tool> tools;
  ToolChoice choice = ToolChoice::kAuto;
  std::optional<std::string> named;  // the one that must be called
  bool is_parallel = true;

  // Tools that this answer may call.
  bool may_call() const { return !tools.empty() && choice != ToolChoice::kNone; }
};

// Errors kInvalidArgument, kUnsupported, with the field's name.
// Adds one; `reader` has its name.
void add_tool(const JsonReader& reader, const json::object* parameters, ToolFields& fields);
// Error kInvalidArgument: no name that a tool may have.
std::string tool_name(const JsonReader& reader);
// Error kInvalidArgument: more than there may be.
void check_tool_count(const JsonReader& reader, std::string_view name, size_t count);
void read_tools(const JsonReader& reader, std::string_view name, ToolFields& fields);
void read_tool_choice(const JsonReader& reader, std::string_view name, ToolFields& fields);
// After all fields were read: a choice without tools, or of one that isn't there.
void check(const ToolFields& fields);

}  // namespace pelton::openai
