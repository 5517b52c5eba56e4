// A chat that any of the chat endpoints was asked for, on its way to the engine.
#pragma once

#include <vector>

#include "engine/request.h"
#include "server/api_context.h"
#include "server/openai/chat_request.h"
#include "text/answer_parser.h"

namespace pelton {

// A chat as the model reads it, and how to read what it answers.
struct ChatPrompt {
  std::vector<TokenId> tokens;
  AnswerSyntax syntax;
};
// Moves messages and variables out of `request`. Errors: those of encode_messages, detect_tool_form; kUnsupported: the
// template has no such effort (parameter reasoning_effort).
ChatPrompt chat_prompt(const ServedModel& model, openai::ChatRequest& request);

struct ChatGeneration {
  GenerationRequest request;
  AnswerSyntax syntax;
};
// Takes up to seconds: not on a thread that reads and writes. Errors: those of chat_prompt and compile_grammar;
// kUnsupported: tools with schemas that can't be enforced where one must be called (parameter tools), a budget that
// can't be kept (parameter reasoning_budget).
ChatGeneration chat_generation(const ServedModel& model, openai::ChatRequest& request);

}  // namespace pelton
