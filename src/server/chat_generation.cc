#include "server/chat_generation.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "engine/reasoning.h"
#include "model/bundle.h"
#include "server/chat_prompt.h"
#include "text/tool_form.h"

namespace pelton {
namespace {

// Into the system message, where the template knows nothing of tools.
void describe_tools(const json::array& definitions, json::array& messages) {
  const std::string prompt = tools_prompt(definitions);
  json::object* first = messages.empty() ? nullptr : messages.front().if_object();
  if (first != nullptr && first->at("role") == "system" && first->at("content").is_string()) {
    first->at("content") = std::string(first->at("content").get_string()) + "\n\n" + prompt;
  } else {
    messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", prompt}});
  }
}

// Error kUnsupported: the model's template has no such thing.
void apply_effort(const std::string& effort, std::string_view source, json::object& variables) {
  const auto knows = [&](std::string_view name) { return source.find(name) != std::string_view::npos; };
  if (knows("reasoning_effort") && effort != "none") {
    variables.emplace("reasoning_effort", effort);
  } else if (effort == "none" && knows("enable_thinking")) {
    variables.emplace("enable_thinking", false);
  } else if (effort != "none" || knows(ReasoningMarkers::kEnd)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("reasoning_effort: the template of this model has no \"{}\"; reasoning_budget limits the "
                            "tokens of any that reasons",
                            effort),
                "reasoning_effort");
  }
}

// What an answer that must call a tool follows, or one of a given form; null: any text.
std::shared_ptr<const Grammar> grammar_of(const ServedModel& model, const openai::ChatRequest& request,
                                          const AnswerSyntax& syntax) {
  if (request.tools.choice != ToolChoice::kRequired) return compile_grammar(model, request.generation);
  std::vector<Tool> tools = request.tools.tools;
  if (request.tools.named) std::erase_if(tools, [&](const Tool& tool) { return tool.name != *request.tools.named; });
  const bool is_parallel = request.tools.is_parallel && !request.tools.named;
  try {
    return model.engine->grammars().compile(
        tool_grammar(*syntax.tools, tools, *model.engine->bundle().tokenizer, {.is_parallel = is_parallel}));
  } catch (const Error& error) {
    throw Error(error.code(), "tools: " + error.message(), "tools");
  }
}

}  // namespace

ChatPrompt chat_prompt(const ServedModel& model, openai::ChatRequest& request) {
  const ModelBundle& bundle = model.engine->bundle();
  // Without one encode_messages() refuses.
  const std::string_view source = bundle.chat_template != nullptr ? bundle.chat_template->source() : std::string_view();
  ChatPrompt chat;
  ChatTemplate::Input input;
  input.messages = std::move(request.messages);
  input.variables = std::move(request.template_variables);
  if (request.tools.may_call()) {
    chat.syntax.tools = model.tool_form ? *model.tool_form : detect_tool_form(source);
    for (const Tool& tool : request.tools.tools) chat.syntax.tool_names.push_back(tool.name);
    if (template_knows_tools(source)) {
      input.tools = request.tools.definitions;
    } else {
      describe_tools(request.tools.definitions, input.messages);
    }
  }
  if (request.reasoning_effort) apply_effort(*request.reasoning_effort, source, input.variables);
  if (request.prefers_reasoning && source.find("enable_thinking") != std::string_view::npos) {
    input.variables.emplace("enable_thinking", *request.prefers_reasoning);
  }
  EncodedChat encoded = encode_messages(model, input);
  chat.tokens = std::move(encoded.tokens);
  const AnswerSyntax reasoning = reasoning_syntax(source, encoded.rendered);
  chat.syntax.is_harmony = reasoning.is_harmony;
  chat.syntax.has_reasoning = reasoning.has_reasoning;
  chat.syntax.begins_in_reasoning = reasoning.begins_in_reasoning;
  return chat;
}

ChatGeneration chat_generation(const ServedModel& model, openai::ChatRequest& request) {
  const ModelBundle& bundle = model.engine->bundle();
  ChatPrompt prompt = chat_prompt(model, request);
  ChatGeneration chat{.request = openai::generation_request(
                          request.generation, std::move(prompt.tokens),
                          openai::sampling_of(request.generation, bundle.generation, request.logprobs())),
                      .syntax = std::move(prompt.syntax)};
  chat.request.keeps_special_tokens =
      chat.syntax.is_harmony || (chat.syntax.tools && needs_special_tokens(*chat.syntax.tools, *bundle.tokenizer));
  chat.request.grammar = grammar_of(model, request, chat.syntax);
  // The grammar of gpt-oss's calls has room for the reasoning before them.
  const bool has_own_reasoning = chat.syntax.is_harmony && request.tools.choice == ToolChoice::kRequired;
  if (has_own_reasoning && request.reasoning_budget) {
    throw Error(ErrorCode::kUnsupported, "reasoning_budget: not where this model must call a tool", "reasoning_budget");
  }
  chat.request.reasoning = reasoning_options(
      chat.syntax, *bundle.tokenizer, chat.request.grammar != nullptr && !has_own_reasoning, request.reasoning_budget);
  return chat;
}

}  // namespace pelton
