#include <algorithm>
#include <utility>

#include "model/bundle.h"
#include "server/chat_prompt.h"
#include "server/openai/completion_answer.h"
#include "server/openai/completion_request.h"
#include "server/openai/generation_job.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// OpenAI's length of an answer on this endpoint where the request names none; less where the context ends before.
constexpr int64_t kMaxTokensDefault = 16;

std::vector<TokenId> tokens_of(const openai::Prompt& prompt, const openai::CompletionRequest& request,
                               const ServedModel& model) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return *tokens;
  const auto& text = std::get<std::string>(prompt);
  check_prompt_bytes(model, text.size(), "prompt");
  return model.engine->bundle().tokenizer->encode(
      text, {.parse_special = request.parses_special, .add_special = request.adds_special});
}

std::string text_of(const openai::Prompt& prompt, const Tokenizer& tokenizer) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  return tokenizer.decode(std::get<std::vector<TokenId>>(prompt), false);
}

}  // namespace

Start prepare_text(const Call& call) {
  const openai::CompletionRequest request = openai::parse_completion_request(call.request.body);
  const AskedModel model = call.model(request.generation.model);
  require_generation(*model.served);
  const Engine& engine = *model.served->engine;
  const ModelBundle& bundle = engine.bundle();
  const openai::AnswerOptions form{.identity = identify(model, "cmpl-"),
                                   .tokenizer = bundle.tokenizer,
                                   .has_logprobs = request.logprobs.has_value(),
                                   .has_prompt_logprobs = request.generation.prompt_logprobs.has_value(),
                                   .has_usage_chunk = request.generation.includes_usage};
  SamplingParameters sampling = openai::sampling_of(request.generation, bundle.generation, request.logprobs);
  const auto choice_count = static_cast<size_t>(request.generation.choice_count);
  const auto best_of = static_cast<size_t>(request.best_of.value_or(request.generation.choice_count));
  if (best_of > choice_count && !sampling.logprobs) sampling.logprobs = 0;  // by which the best are found

  const std::shared_ptr<const Grammar> grammar = compile_grammar(*model.served, request.generation);
  std::vector<GenerationRequest> requests;
  std::vector<std::optional<std::string>> echoes;
  for (const openai::Prompt& prompt : request.prompts) {
    GenerationRequest generation =
        openai::generation_request(request.generation, tokens_of(prompt, request, *model.served), sampling);
    if (!sampling.max_tokens) {
      const int64_t room = engine.context_length() - static_cast<int64_t>(generation.prompt.size());
      generation.sampling.max_tokens = std::clamp<int64_t>(room, 1, kMaxTokensDefault);
    }
    if (request.echoes && request.logprobs) generation.prompt_logprobs = static_cast<int>(*request.logprobs);
    generation.grammar = grammar;
    generation.adapter = model.adapter;
    requests.push_back(std::move(generation));
    std::optional<std::string> echo;
    if (request.echoes) echo = text_of(prompt, *bundle.tokenizer);
    echoes.insert(echoes.end(), choice_count, echo);
  }
  const auto job = std::make_shared<openai::GenerationJob>(
      model.served, call.reply, std::make_unique<openai::CompletionAnswer>(form, std::move(echoes)),
      openai::GenerationJob::Options{.streams = request.generation.streams,
                                     .has_logprobs = form.has_logprobs,
                                     .request_id = call.request.id,
                                     .received = call.request.received,
                                     .caller = call.caller,
                                     .choice_count = choice_count,
                                     .best_of = best_of});
  return [job, requests = std::move(requests)] { job->start(requests); };
}

}  // namespace pelton::routes
