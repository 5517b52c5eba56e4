// OpenAI's newer form of a chat.
#include <utility>

#include "model/bundle.h"
#include "server/openai/responses_answer.h"
#include "server/openai/responses_request.h"
#include "server/routes/chat_start.h"
#include "server/routes/routes.h"

namespace pelton::routes {

Start prepare_responses(const Call& call) {
  require_generation(call.context);
  openai::ResponsesRequest request = openai::parse_responses_request(call.request.body);
  openai::ResponsesAnswer::Options form{
      .identity = identify(call.context, "resp_", call.model(request.chat.generation.model)),
      .tokenizer = call.context.engine.bundle().tokenizer,
      .settings = std::move(request.settings)};
  ChatGeneration chat;
  try {
    chat = chat_generation(call.context, request.chat);
  } catch (const Error& error) {
    throw renamed(error, {{"messages", "input"}, {"reasoning_effort", "reasoning.effort"}});
  }
  form.settings["temperature"] = chat.request.sampling.temperature;
  form.settings["top_p"] = chat.request.sampling.top_p;
  return start_chat(call, request.chat, std::move(chat.request),
                    std::make_unique<openai::ResponsesAnswer>(std::move(form), std::move(chat.syntax)), "input");
}

}  // namespace pelton::routes
