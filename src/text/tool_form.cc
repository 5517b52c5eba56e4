#include "text/tool_form.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "base/check.h"
#include "base/error.h"
#include "text/lark_string.h"
#include "text/schema_support.h"

namespace pelton {
namespace {

constexpr std::array<std::pair<std::string_view, ToolForm>, 5> kNames = {{{"hermes", ToolForm::kHermes},
                                                                          {"llama3", ToolForm::kLlama3},
                                                                          {"mistral", ToolForm::kMistral},
                                                                          {"gpt-oss", ToolForm::kHarmony},
                                                                          {"json", ToolForm::kJson}}};

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

[[noreturn]] void refuse(std::string_view form) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the model's template writes tool calls in the form of {}, which is not supported; "
                          "--tool-parser sets another",
                          form),
              "tools");
}

std::string_view arguments_name(ToolForm form) { return form == ToolForm::kLlama3 ? "parameters" : "arguments"; }

}  // namespace

std::string_view tool_form_name(ToolForm form) {
  for (const auto& [name, named] : kNames) {
    if (named == form) return name;
  }
  PELTON_UNREACHABLE();
}

ToolForm tool_form_by_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [known, form] : kNames) {
    if (known == name) return form;
    names.push_back(known);
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is no form of tool calls; there are {}", name, fmt::join(names, ", ")),
              "tool_parser");
}

ToolForm detect_tool_form(std::string_view source) {
  if (has(source, "<|channel|>")) return ToolForm::kHarmony;
  if (has(source, "<function=")) refuse("Qwen3-Coder (XML)");
  if (has(source, "[ARGS]")) refuse("Mistral with [ARGS]");
  if (has(source, "<tool_call>")) return ToolForm::kHermes;
  if (has(source, "[TOOL_CALLS]")) return ToolForm::kMistral;
  if (has(source, "<|start_header_id|>") && template_knows_tools(source)) return ToolForm::kLlama3;
  return ToolForm::kJson;
}

bool template_knows_tools(std::string_view source) { return has(source, "tools"); }

std::string tools_prompt(const json::array& tools) {
  std::string prompt = "You can call these functions:\n\n";
  for (const json::value& tool : tools) prompt += json::serialize(tool) + "\n";
  return prompt +
         "\nTo call one, answer with a JSON object and nothing else: {\"name\": the function's name, \"arguments\": an "
         "object with its arguments}. To call several, answer with an array of such objects.";
}

bool needs_special_tokens(ToolForm form, const Tokenizer& tokenizer) {
  const std::string_view marker = form == ToolForm::kHermes    ? "<tool_call>"
                                  : form == ToolForm::kMistral ? "[TOOL_CALLS]"
                                                               : std::string_view();
  const std::optional<TokenId> token = marker.empty() ? std::nullopt : tokenizer.find(marker);
  return token && tokenizer.is_special(*token);
}

GrammarSource tool_grammar(ToolForm form, const std::vector<Tool>& tools, const Tokenizer& tokenizer,
                           const ToolGrammarOptions& options) {
  CHECK(!tools.empty());
  std::string calls, rules;
  for (size_t i = 0; i < tools.size(); ++i) {
    std::string schema;
    try {
      schema = schema_for_compiler(json::serialize(tools[i].parameters));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("the tool \"{}\": {}", tools[i].name, error.message()), "tools");
    }
    // Its own grammar, so that the schema's references keep their root.
    calls += fmt::format("{}call_{}", i == 0 ? "" : " | ", i);
    if (form == ToolForm::kHarmony) {
      rules += fmt::format(
          "call_{0}: <|channel|> {1} <|constrain|> \"json\" <|message|> arguments_{0}\narguments_{0}: %json {2}\n", i,
          lark_string("commentary to=functions." + tools[i].name + " "), schema);
      continue;
    }
    const std::string head = fmt::format(R"({{"name": {}, "{}": )", lark_string(tools[i].name), arguments_name(form));
    rules +=
        fmt::format("call_{0}: {1} arguments_{0} \"}}\"\narguments_{0}: %json {2}\n", i, lark_string(head), schema);
  }
  std::string start;
  switch (form) {
    case ToolForm::kHermes:
      start = R"("<tool_call>\n" call "\n</tool_call>")";
      if (options.is_parallel) start += R"( ("\n<tool_call>\n" call "\n</tool_call>")*)";
      break;
    case ToolForm::kLlama3:
      start = options.is_parallel ? R"(call ("; " call)*)" : "call";
      break;
    case ToolForm::kMistral: {
      const std::optional<TokenId> token = tokenizer.find("[TOOL_CALLS]");
      if (!token) throw Error(ErrorCode::kUnsupported, "the vocabulary has no token [TOOL_CALLS]", "tools");
      start = fmt::format("<[{}]> \"[\" call {} \"]\"", index_of(*token), options.is_parallel ? "(\", \" call)*" : "");
      break;
    }
    case ToolForm::kHarmony:
      // One call ends the answer. Its reasoning comes before.
      start = R"((analysis)? call)";
      rules += R"(analysis: <|channel|> "analysis" <|message|> TEXT <|end|> <|start|> "assistant"
TEXT: /(?s:.*)/
)";
      break;
    case ToolForm::kJson:
      start = options.is_parallel ? R"(call | "[" call (", " call)* "]")" : "call";
      break;
  }
  return {GrammarKind::kLark, fmt::format("start: {}\ncall: {}\n{}", start, calls, rules)};
}

}  // namespace pelton
