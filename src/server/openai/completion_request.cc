#include "server/openai/completion_request.h"

#include <fmt/format.h>

#include <string>

#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = CompletionRequest;

constexpr size_t kPromptCountMax = 128;   // requests that one body may start
constexpr int64_t kBestOfMax = 20;        // OpenAI's
constexpr int64_t kAnswerCountMax = 512;  // that one body may ask for

// What the fields ask for together.
void check_answer_count(const Request& request) {
  const int64_t shown = request.generation.choice_count;
  const int64_t made = request.best_of.value_or(shown);
  const auto refuse = [](const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message, "best_of"); };
  if (made < shown) refuse(fmt::format("best_of: at least n ({}), got {}", shown, made));
  if (made > shown && beams_of(request.generation)) {
    refuse("best_of: not together with beam search, where num_beams says of how many the best are");
  }
  if (made > shown && request.generation.streams) refuse("best_of: more than n only without \"stream\"");
  const auto count = made * static_cast<int64_t>(request.prompts.size());
  if (count <= kAnswerCountMax) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("n: {} prompts with {} answers each are more than {} answers", request.prompts.size(), made,
                          kAnswerCountMax),
              "n");
}

void read_prompt(const JsonReader& reader, std::string_view name, Request& request) {
  request.prompts = read_prompts(reader, name, kPromptCountMax);
}

constexpr Field<Request> kFields[] = {
    other<Request, read_prompt>("prompt", kPromptsSchema),
    integer<&Request::logprobs>("logprobs", 0, SamplingParameters::kLogprobsMax),
    boolean<&Request::echoes>("echo"),
    boolean<&Request::parses_special>("parse_special"),
    boolean<&Request::adds_special>("add_special_tokens"),
    integer<&Request::best_of>("best_of", 1, kBestOfMax),
    neutral_only<Request, kEmptyString>("suffix"),
};

}  // namespace

CompletionRequest parse_completion_request(std::string_view body) {
  CompletionRequest request;
  read_generation_request(parse_json(body, "body"), std::span<const Field<Request>>(kFields), request);
  check_answer_count(request);
  const auto& prompt_logprobs = request.generation.prompt_logprobs;
  if (prompt_logprobs && request.echoes && request.logprobs && prompt_logprobs != request.logprobs) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("prompt_logprobs: {} where the prompt is echoed with logprobs", *request.logprobs),
                "prompt_logprobs");
  }
  return request;
}

json::object completion_request_schema() {
  return body_schema({"prompt"}, generation_fields(), std::span<const Field<Request>>(kFields));
}

}  // namespace pelton::openai
