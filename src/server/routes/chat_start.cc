#include "server/routes/chat_start.h"

#include <string>
#include <vector>

#include "server/openai/generation_job.h"

namespace pelton::routes {

Error renamed(const Error& error, FieldNames names) {
  for (const auto& [theirs, ours] : names) {
    if (error.parameter() != theirs) continue;
    const std::string prefix = std::string(theirs) + ":";
    const bool has_prefix = error.message().starts_with(prefix);
    const std::string message =
        has_prefix ? std::string(ours) + error.message().substr(theirs.size()) : error.message();
    return Error(error.code(), message, std::string(ours));
  }
  return error;
}

Start start_chat(const Call& call, const AskedModel& model, const openai::ChatRequest& request,
                 GenerationRequest generation, std::unique_ptr<openai::AnswerFormat> format,
                 std::string_view prompt_name) {
  generation.adapter = model.adapter;
  const auto choice_count = static_cast<size_t>(request.generation.choice_count);
  const auto job =
      std::make_shared<openai::GenerationJob>(model.served, call.reply, std::move(format),
                                              openai::GenerationJob::Options{.streams = request.generation.streams,
                                                                             .has_logprobs = request.wants_logprobs,
                                                                             .request_id = call.request.id,
                                                                             .received = call.request.received,
                                                                             .caller = call.caller,
                                                                             .choice_count = choice_count,
                                                                             .best_of = choice_count});
  std::vector<GenerationRequest> requests;
  requests.push_back(std::move(generation));
  return [job, requests = std::move(requests), prompt_name] {
    try {
      job->start(requests);
    } catch (const Error& error) {
      throw renamed(error, {{"prompt", prompt_name}});
    }
  };
}

}  // namespace pelton::routes
