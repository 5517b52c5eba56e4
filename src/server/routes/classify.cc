#include "server/openai/classify.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/unix_time.h"
#include "engine/ranking.h"
#include "server/chat_prompt.h"
#include "server/routes/embedding_start.h"

namespace pelton::routes {
namespace {

std::vector<TokenId> tokens_of(const openai::Prompt& input, const ApiContext& context) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&input)) return *tokens;
  const auto& text = std::get<std::string>(input);
  check_prompt_bytes(context, text.size(), "input");
  return context.engine.bundle().tokenizer->encode(text, {});
}

}  // namespace

Start prepare_classify(const Call& call) {
  const ApiContext& context = call.context;
  const ModelBundle& bundle = context.engine.bundle();
  openai::ClassifyRequest request = openai::parse_classify_request(call.request.body);
  const std::string model = call.base_model(request.model);
  if (!context.engine.can_classify()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} is no classifier", bundle.name), "model");
  }
  ClassificationRequest classification;
  const auto add = [&](std::vector<TokenId> tokens) {
    std::vector<int32_t> types(tokens.size());
    classification.inputs.push_back({std::move(tokens), std::move(types)});
  };
  for (const openai::Prompt& input : request.inputs) add(tokens_of(input, context));
  if (!request.messages.empty()) {
    ChatTemplate::Input chat;
    chat.messages = std::move(request.messages);
    chat.add_generation_prompt = false;
    add(encode_messages(context, chat).tokens);
  }
  const int64_t count = token_count(classification);
  return start_classification(
      call, std::move(classification), count,
      [model, count, id = new_id("classify-"), created = unix_seconds(), classifier = bundle.classifier,
       activation = request.uses_activation ? bundle.classifier.activation
                                            : ScoreActivation::kIdentity](std::vector<std::vector<float>> scores) {
        return openai::classify_answer(std::move(scores), classifier, activation, id, model, created, count);
      });
}

}  // namespace pelton::routes
