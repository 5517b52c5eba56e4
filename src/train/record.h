// One line of a data set, in the one form that all the forms which people have come down to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace pelton {

// Plain text, or the messages of a chat in OpenAI's form.
using Content = std::variant<std::string, json::array>;

enum class RecordForm : uint8_t { kText, kCompletion, kChat, kAlpaca, kShareGpt, kPreference, kLabelled };
std::string_view record_form_name(RecordForm form);  // "chat"

struct Record {
  RecordForm form;
  std::string file;
  int64_t line;  // from 1

  Content prompt;                    // what is given; empty of texts and chats
  std::vector<Content> answers;      // what is learnt: one; of a preference the chosen and the rejected
  json::array tools;                 // that the chat may call; empty: none
  std::optional<bool> is_desirable;  // of a labelled completion

  std::string place() const;  // "chats.jsonl:12"
};

// Which form it is, its keys say:
//   {"messages": […], "tools": […]}                    chat
//   {"conversations": [{"from", "value"}, …]}          chat in ShareGPT's form
//   {"instruction", "input", "output"}                 chat in Alpaca's form
//   {"prompt", "completion"}                           completion; with "label": true or false, a labelled one (KTO)
//   {"prompt", "chosen", "rejected"}                   preference; without "prompt": what both begin with
//   {"input": {"messages", "tools"}, "preferred_output", "non_preferred_output"}  preference in OpenAI's form
//   {"text"}                                           text
// Prompts and answers are strings or messages; of a chat's messages of the assistant those with "weight": 0 are not
// learnt (OpenAI's). Further keys are let pass. Error kInvalidArgument, without the place: no such form, a value of
// another type, a message without a role, a weight other than 0 and 1, nothing to learn, an answer of the assistant
// that is empty.
Record parse_record(const json::value& line);

}  // namespace pelton
