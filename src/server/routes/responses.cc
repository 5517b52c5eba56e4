// OpenAI's newer form of a chat.
#include <utility>

#include "model/bundle.h"
#include "server/openai/responses_answer.h"
#include "server/openai/responses_request.h"
#include "server/routes/chat_start.h"
#include "server/routes/routes.h"

namespace pelton::routes {

Start prepare_responses(const Call& call) {
  openai::ResponsesRequest request = openai::parse_responses_request(call.request.body);
  const AskedModel model = call.model(request.chat.generation.model);
  require_generation(*model.served);
  openai::ResponsesAnswer::Options form{.identity = identify(model, "resp_"),
                                        .tokenizer = model.served->engine->bundle().tokenizer,
                                        .settings = std::move(request.settings)};
  ChatGeneration chat;
  try {
    chat = chat_generation(*model.served, request.chat);
  } catch (const Error& error) {
    throw renamed(error, {{"messages", "input"}, {"reasoning_effort", "reasoning.effort"}});
  }
  form.settings["temperature"] = chat.request.sampling.temperature;
  form.settings["top_p"] = chat.request.sampling.top_p;
  return start_chat(call, model, request.chat, std::move(chat.request),
                    std::make_unique<openai::ResponsesAnswer>(std::move(form), std::move(chat.syntax)), "input");
}

}  // namespace pelton::routes
