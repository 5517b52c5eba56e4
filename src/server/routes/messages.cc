// Anthropic's form of a chat.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/json_text.h"
#include "server/anthropic/messages_answer.h"
#include "server/anthropic/messages_request.h"
#include "server/http/http_error.h"
#include "server/routes/chat_start.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// The newer one takes no sampling parameters from Claude's clients; here, who sends some gets them with either.
constexpr std::string_view kApiVersions[] = {"2023-06-01", "2026-10-21"};

// A client that names none gets the answer that all of them describe.
void check_version(const HttpRequest& request) {
  if (request.api_version.empty()) return;
  for (const std::string_view known : kApiVersions) {
    if (request.api_version == known) return;
  }
  throw HttpError(400, "unsupported",
                  fmt::format("anthropic-version: \"{}\" is not supported, only {}", request.api_version,
                              fmt::join(kApiVersions, ", ")));
}

// `prepare` on the request, with errors in this endpoint's words.
template <typename Prepare>
auto in_its_words(const openai::ChatRequest& request, const Prepare& prepare) {
  const std::string_view effort_name = request.reasoning_effort == "none" ? "thinking" : "output_config.effort";
  try {
    return prepare();
  } catch (const Error& error) {
    throw renamed(error, {{"reasoning_budget", "thinking.budget_tokens"}, {"reasoning_effort", effort_name}});
  }
}

}  // namespace

Start prepare_messages(const Call& call) {
  check_version(call.request);
  anthropic::MessagesRequest request = anthropic::parse_messages_request(call.request.body);
  const openai::GenerationFields& fields = request.chat.generation;
  const AskedModel model = call.model(fields.model);
  require_generation(*model.served);
  anthropic::MessagesAnswer::Options form{.identity = identify(model, "msg_"),
                                          .max_tokens = fields.max_tokens.value(),
                                          .shows_thinking = request.shows_thinking};
  ChatGeneration chat = in_its_words(request.chat, [&] { return chat_generation(*model.served, request.chat); });
  form.prompt_token_count = static_cast<int64_t>(chat.request.prompt.size());
  return start_chat(call, model, request.chat, std::move(chat.request),
                    std::make_unique<anthropic::MessagesAnswer>(std::move(form), std::move(chat.syntax)), "messages");
}

Start prepare_count_tokens(const Call& call) {
  check_version(call.request);
  anthropic::MessagesRequest request = anthropic::parse_count_request(call.request.body);
  const AskedModel model = call.model(request.chat.generation.model);
  require_generation(*model.served);
  const ChatPrompt prompt = in_its_words(request.chat, [&] { return chat_prompt(*model.served, request.chat); });
  const json::object body = {{"input_tokens", prompt.tokens.size()}};
  return [reply = call.reply, text = to_json_text(body)]() mutable { reply->respond({.body = std::move(text)}); };
}

}  // namespace pelton::routes
