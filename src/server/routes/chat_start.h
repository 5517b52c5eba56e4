// How the endpoints that answer chats begin their answers, each with its own names and form.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include "server/chat_generation.h"
#include "server/openai/answer.h"
#include "server/routes/routes.h"

namespace pelton::routes {

// {what the engine and other endpoints call a field, what this one's clients call it} …
using FieldNames = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Of an Error in a field of another name: the same, in this endpoint's words. Others: as they are.
Error renamed(const Error& error, FieldNames names);

// `generation`: of `request`. The engine knows a prompt, clients of these endpoints only what `prompt_name` says.
Start start_chat(const Call& call, const AskedModel& model, const openai::ChatRequest& request,
                 GenerationRequest generation, std::unique_ptr<openai::AnswerFormat> format,
                 std::string_view prompt_name);

}  // namespace pelton::routes
