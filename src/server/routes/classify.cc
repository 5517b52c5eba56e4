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

std::vector<TokenId> tokens_of(const openai::Prompt& input, const ServedModel& model) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&input)) return *tokens;
  const auto& text = std::get<std::string>(input);
  check_prompt_bytes(model, text.size(), "input");
  return model.engine->bundle().tokenizer->encode(text, {});
}

}  // namespace

Start prepare_classify(const Call& call) {
  openai::ClassifyRequest request = openai::parse_classify_request(call.request.body);
  const AskedModel model = call.base_model(request.model);
  const ModelBundle& bundle = model.served->engine->bundle();
  if (!model.served->engine->can_classify()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} is no classifier", bundle.name), "model");
  }
  ClassificationRequest classification;
  const auto add = [&](std::vector<TokenId> tokens) {
    std::vector<int32_t> types(tokens.size());
    classification.inputs.push_back({std::move(tokens), std::move(types)});
  };
  for (const openai::Prompt& input : request.inputs) add(tokens_of(input, *model.served));
  if (!request.messages.empty()) {
    ChatTemplate::Input chat;
    chat.messages = std::move(request.messages);
    chat.add_generation_prompt = false;
    add(encode_messages(*model.served, chat).tokens);
  }
  const int64_t count = token_count(classification);
  return start_classification(
      call, model, std::move(classification), count,
      [name = model.name, count, id = new_id("classify-"), created = unix_seconds(), classifier = bundle.classifier,
       activation = request.uses_activation ? bundle.classifier.activation
                                            : ScoreActivation::kIdentity](std::vector<std::vector<float>> scores) {
        return openai::classify_answer(std::move(scores), classifier, activation, id, name, created, count);
      });
}

}  // namespace pelton::routes
