// Any bytes as the body of a request that generates: understood, or refused by an Error that names the field.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"

namespace {

using pelton::Error;
namespace json = pelton::json;
namespace openai = pelton::openai;

void check_generation(const openai::GenerationFields& fields) {
  const pelton::SamplingParameters sampling = openai::sampling_of(fields, {}, std::nullopt);
  CHECK(!sampling.max_tokens || *sampling.max_tokens >= 1);
  CHECK(sampling.temperature >= 0 && sampling.top_k >= 0 && sampling.top_p <= 1);
  CHECK(sampling.stops.size() <= 16);
  for (const std::string& stop : sampling.stops) CHECK(!stop.empty());
}

// What templates may rely on.
void check_messages(const json::array& messages) {
  CHECK(!messages.empty());
  for (const json::value& message : messages) {
    CHECK(message.at("role").is_string() && message.at("role") != "developer");
    CHECK(message.at("content").is_string());
  }
}

// An Error of a request is the client's fault and says so.
template <class Read>
void attempt(Read read) {
  try {
    read();
  } catch (const Error& error) {
    CHECK(!error.message().empty() && error_code_info(error.code()).http_status == 400);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  attempt([&] {
    const openai::ChatRequest request = openai::parse_chat_request(body);
    check_generation(request.generation);
    check_messages(request.messages);
  });
  attempt([&] {
    const openai::CompletionRequest request = openai::parse_completion_request(body);
    check_generation(request.generation);
    CHECK(!request.prompts.empty() && request.prompts.size() <= 128);
  });
  return 0;
}
