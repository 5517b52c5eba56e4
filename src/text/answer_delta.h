// What an answer goes on with, told apart.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace pelton {

struct ToolCallDelta {
  size_t index;                     // of the call within the answer
  std::optional<std::string> name;  // present where the call begins
  std::string arguments;            // goes on with the JSON text of the arguments
};

struct AnswerDelta {
  std::string reasoning;
  std::string content;
  std::vector<ToolCallDelta> calls;

  bool is_empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
};

}  // namespace pelton
