#include <utility>

#include "model/bundle.h"
#include "server/openai/chat_answer.h"
#include "server/openai/chat_request.h"
#include "server/routes/chat_start.h"
#include "server/routes/routes.h"

namespace pelton::routes {

Start prepare_chat(const Call& call) {
  openai::ChatRequest request = openai::parse_chat_request(call.request.body);
  const AskedModel model = call.model(request.generation.model);
  require_generation(*model.served);
  const openai::AnswerOptions form{.identity = identify(model, "chatcmpl-"),
                                   .tokenizer = model.served->engine->bundle().tokenizer,
                                   .has_logprobs = request.wants_logprobs,
                                   .has_prompt_logprobs = request.generation.prompt_logprobs.has_value(),
                                   .has_usage_chunk = request.generation.includes_usage};
  ChatGeneration chat = chat_generation(*model.served, request);
  return start_chat(call, model, request, std::move(chat.request),
                    std::make_unique<openai::ChatAnswer>(form, std::move(chat.syntax)), "messages");
}

}  // namespace pelton::routes
