#include "server/openai/classify.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "engine/ranking.h"
#include "server/chat_prompt.h"
#include "server/http/http_error.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// One HTTP request for scores on its way through the engine.
class ClassifyJob final : public EmbeddingSink {
 public:
  struct Form {
    std::string id;
    std::string model;
    ClassifierSettings classifier;
    ScoreActivation activation = ScoreActivation::kIdentity;
    int64_t created = 0;
    int64_t token_count = 0;
  };
  ClassifyJob(std::shared_ptr<Reply> reply, Form form) : reply_(std::move(reply)), form_(std::move(form)) {}

  // On the engine's thread; the rest happens on the strand.
  void on_finish(std::vector<std::vector<float>> scores) override {
    reply_->post([reply = reply_, form = std::move(form_), scores = std::move(scores)] {
      const json::object body = openai::classify_answer(scores, form.classifier, form.activation, form.id, form.model,
                                                        form.created, form.token_count);
      reply->respond({.body = to_json_text(body)});
    });
  }
  void on_error(const Error& error) override {
    reply_->post([reply = reply_, response = HttpError(error).response()] { reply->respond(response); });
  }

 private:
  std::shared_ptr<Reply> reply_;
  Form form_;
};

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
  ClassifyJob::Form form{
      .id = new_id("classify-"),
      .model = call.base_model(request.model),
      .classifier = bundle.classifier,
      .activation = request.uses_activation ? bundle.classifier.activation : ScoreActivation::kIdentity,
      .created = unix_seconds()};
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
  form.token_count = token_count(classification);
  return [engine = &context.engine, reply = call.reply, form = std::move(form), caller = call.caller,
          classification = std::move(classification)]() mutable {
    if (caller) caller->charge_tokens(form.token_count);
    const RequestId id = engine->submit(std::move(classification), std::make_shared<ClassifyJob>(reply, form));
    reply->on_abandoned([engine, id] { engine->cancel(id); });
  };
}

}  // namespace pelton::routes
