// Text and chats to tokens and back, as the served model reads them.
#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "model/bundle.h"
#include "server/chat_prompt.h"
#include "server/openai/answer.h"
#include "server/openai/tokenize_request.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

std::vector<TokenId> tokens_of(const ServedModel& model, const openai::TokenizeRequest& request) {
  if (request.chat) return encode_messages(model, *request.chat).tokens;
  check_prompt_bytes(model, request.prompt->size(), "prompt");
  return model.engine->bundle().tokenizer->encode(
      *request.prompt, {.parse_special = request.parses_special, .add_special = request.adds_special});
}

Start respond(const Call& call, const json::object& body) {
  return [reply = call.reply, text = to_json_text(body)]() mutable { reply->respond({.body = std::move(text)}); };
}

}  // namespace

Start prepare_tokenize(const Call& call) {
  const openai::TokenizeRequest request = openai::parse_tokenize_request(call.request.body);
  const AskedModel model = call.model(request.model);
  const Engine& engine = *model.served->engine;
  json::array ids;
  json::array strings;
  for (const TokenId token : tokens_of(*model.served, request)) {
    ids.push_back(index_of(token));
    if (!request.returns_strings) continue;
    strings.emplace_back(openai::shown(engine.bundle().tokenizer->token_bytes(token)));
  }
  json::object body = {{"count", ids.size()}, {"max_model_len", engine.context_length()}};
  body["tokens"] = std::move(ids);
  body["token_strs"] = request.returns_strings ? json::value(std::move(strings)) : json::value();
  return respond(call, body);
}

Start prepare_detokenize(const Call& call) {
  const openai::DetokenizeRequest request = openai::parse_detokenize_request(call.request.body);
  const AskedModel model = call.model(request.model);
  const Tokenizer& tokenizer = *model.served->engine->bundle().tokenizer;
  for (const TokenId token : request.tokens) {
    if (index_of(token) < tokenizer.vocabulary_size()) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("tokens: {} is not in the vocabulary of {}", index_of(token), tokenizer.vocabulary_size()),
                "tokens");
  }
  return respond(call, {{"prompt", tokenizer.decode(request.tokens, false)}});
}

Start prepare_template(const Call& call) {
  const openai::TemplateRequest request = openai::parse_template_request(call.request.body);
  const AskedModel model = call.model(request.model);
  return respond(call, {{"prompt", encode_messages(*model.served, request.chat).rendered}});
}

}  // namespace pelton::routes
