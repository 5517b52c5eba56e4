// Whether a chat is what it should be.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/record.h"

namespace pelton::data {

struct Finding {
  std::string_view rule;  // of a fixed set, snake_case
  std::string detail;     // where, and what
};

// Looks at one record after another. Not thread-safe: it keeps a parser.
//
//   no_messages               a chat of no turns
//   empty_turn                a message that neither says nor calls anything
//   late_system               a system prompt that is not first
//   role_order                user and assistant do not take turns, or an answer comes first
//   no_answer                 a chat (or a side of a pair) whose last turn is not the assistant's
//   same_answers              a pair whose chosen and rejected answers say the same
//   unknown_tool              a call of a tool that the record's own `tools` do not have
//   bad_arguments             arguments of a call that are no JSON object
//   arguments_against_schema  a required one is missing, one is not in the schema's properties, or its JSON type is
//   another unanswered_call           a call that no tool message answers before somebody else speaks
//   result_without_call       a tool message that answers no call
//   unclosed_code             an odd number of ``` fences
//   reasoning_without_answer  an assistant's turn that thinks (`reasoning`, or <think> in its content) and says nothing
//   unclosed_reasoning        <think> without </think>
class Validator {
 public:
  Validator();
  ~Validator();
  Validator(const Validator&) = delete;
  Validator& operator=(const Validator&) = delete;

  std::vector<Finding> check(const Record& record);

 private:
  class Checks;  // what knows simdjson
  std::unique_ptr<Checks> checks_;
};

}  // namespace pelton::data
