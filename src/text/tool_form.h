// How models write calls of tools: the forms that are known, which one a model has, and the grammar of a call.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace pelton {

enum class ToolForm {
  kHermes,   // <tool_call>{"name": …, "arguments": {…}}</tool_call>, also Qwen 2.5 and 3
  kLlama3,   // {"name": …, "parameters": {…}}, perhaps after <|python_tag|>
  kMistral,  // [TOOL_CALLS][{"name": …, "arguments": {…}}, …]
  kHarmony,  // <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}: gpt-oss
  kJson,     // {"name": …, "arguments": {…}}, or a list of them
};

// "hermes", "llama3", "mistral", "gpt-oss", "json".
std::string_view tool_form_name(ToolForm form);
// Error kInvalidArgument: no form has this name; the message lists them.
ToolForm tool_form_by_name(std::string_view name);
// By what the template writes. Error kUnsupported: it writes calls in a form that is known not to be supported, by its
// name (Qwen3-Coder, Mistral's newer one).
ToolForm detect_tool_form(std::string_view template_source);
// A template that never looks at its tools says nothing of them to the model; then the caller does (tools_prompt()).
bool template_knows_tools(std::string_view template_source);
// Of a system message for kJson.
std::string tools_prompt(const json::array& tools);

struct Tool {
  std::string name;
  json::value parameters;  // a JSON schema
};

enum class ToolChoice { kNone, kAuto, kRequired };

// Whether a marker of the form is a special token, which the text of an answer must keep then.
bool needs_special_tokens(ToolForm form, const Tokenizer& tokenizer);

struct ToolGrammarOptions {
  bool is_parallel = true;  // several calls in one answer
};
// What an answer that must call follows: a Lark grammar in which each tool's arguments are its schema. Error
// kUnsupported: a schema has a keyword that isn't enforced, with the tool's name; the vocabulary lacks the form's
// token.
GrammarSource tool_grammar(ToolForm form, const std::vector<Tool>& tools, const Tokenizer& tokenizer,
                           const ToolGrammarOptions& options);

}  // namespace pelton
