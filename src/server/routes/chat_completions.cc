#include <utility>

#include "model/bundle.h"
#include "server/openai/chat_answer.h"
#include "server/openai/chat_request.h"
#include "server/routes/chat_start.h"
#include "server/routes/routes.h"

namespace pelton::routes {

Start prepare_chat(const Call& call) {
  require_generation(call.context);
  openai::ChatRequest request = openai::parse_chat_request(call.request.body);
  const openai::AnswerOptions form{
      .identity = identify(call.context, "chatcmpl-", call.model(request.generation.model)),
      .tokenizer = call.context.engine.bundle().tokenizer,
      .has_logprobs = request.wants_logprobs,
      .has_usage_chunk = request.generation.includes_usage};
  ChatGeneration chat = chat_generation(call.context, request);
  return start_chat(call, request, std::move(chat.request),
                    std::make_unique<openai::ChatAnswer>(form, std::move(chat.syntax)), "messages");
}

}  // namespace pelton::routes
