#include "server/openai/completion_request.h"

namespace pelton::openai {
namespace {

using Request = CompletionRequest;

constexpr size_t kPromptCountMax = 128;  // requests that one body may start

void read_prompt(const JsonReader& reader, std::string_view name, Request& request) {
  request.prompts = read_prompts(reader, name, kPromptCountMax);
}

constexpr Field<Request> kFields[] = {
    other<Request, read_prompt>("prompt"),
    integer<&Request::logprobs>("logprobs", 0, SamplingParameters::kLogprobsMax),
    boolean<&Request::echoes>("echo"),
    boolean<&Request::parses_special>("parse_special"),
    boolean<&Request::adds_special>("add_special_tokens"),
    neutral_only<Request, kOne>("best_of"),
    neutral_only<Request, kEmptyString>("suffix"),
};

}  // namespace

CompletionRequest parse_completion_request(std::string_view body) {
  CompletionRequest request;
  read_generation_request(parse_json(body, "body"), std::span<const Field<Request>>(kFields), request);
  if (request.echoes && request.logprobs) {
    throw Error(ErrorCode::kUnsupported, "echo: not together with logprobs: those of the prompt are not computed",
                "echo");
  }
  return request;
}

}  // namespace pelton::openai
