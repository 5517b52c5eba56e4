#include <utility>

#include "base/error.h"
#include "model/bundle.h"
#include "server/chat_prompt.h"
#include "server/openai/chat_answer.h"
#include "server/openai/chat_request.h"
#include "server/openai/generation_job.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// The engine knows a prompt, clients of this endpoint only messages.
void start_job(openai::GenerationJob& job, const std::vector<GenerationRequest>& requests) {
  try {
    job.start(requests);
  } catch (const Error& error) {
    if (error.parameter() != "prompt") throw;
    throw Error(error.code(), error.message(), "messages");
  }
}

}  // namespace

Start prepare_chat(const Call& call) {
  require_generation(call.context);
  openai::ChatRequest request = openai::parse_chat_request(call.request.body);
  const ModelBundle& bundle = call.context.engine.bundle();
  const openai::AnswerOptions form{
      .identity = identify(call.context, "chatcmpl-", call.model(request.generation.model)),
      .tokenizer = bundle.tokenizer,
      .has_logprobs = request.wants_logprobs,
      .has_usage_chunk = request.generation.includes_usage};
  std::vector<GenerationRequest> requests;
  ChatTemplate::Input input;
  input.messages = std::move(request.messages);
  input.variables = std::move(request.template_variables);
  requests.push_back(
      openai::generation_request(request.generation, encode_messages(call.context, input).tokens,
                                 openai::sampling_of(request.generation, bundle.generation, request.logprobs())));
  const auto choice_count = static_cast<size_t>(request.generation.choice_count);
  const auto job = std::make_shared<openai::GenerationJob>(
      call.context.engine, call.context.metrics, call.reply, std::make_unique<openai::ChatAnswer>(form),
      openai::GenerationJob::Options{.streams = request.generation.streams,
                                     .has_logprobs = form.has_logprobs,
                                     .has_usage_chunk = form.has_usage_chunk,
                                     .received = call.request.received,
                                     .caller = call.caller,
                                     .choice_count = choice_count,
                                     .best_of = choice_count});
  return [job, requests = std::move(requests)] { start_job(*job, requests); };
}

}  // namespace pelton::routes
