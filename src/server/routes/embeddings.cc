#include "server/openai/embeddings.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "engine/embedding_request.h"
#include "model/bundle.h"
#include "server/http/http_error.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// One HTTP request for embeddings on its way through the engine.
class EmbeddingJob final : public EmbeddingSink {
 public:
  struct Form {
    std::string model;
    bool is_base64 = false;
    int64_t token_count = 0;
  };
  EmbeddingJob(std::shared_ptr<Reply> reply, Form form) : reply_(std::move(reply)), form_(std::move(form)) {}

  // On the engine's thread; making the JSON of a thousand embeddings takes a moment, so it happens on the strand.
  void on_finish(std::vector<std::vector<float>> embeddings) override {
    reply_->post([reply = reply_, form = form_, embeddings = std::move(embeddings)] {
      const json::object body = openai::embeddings_answer(embeddings, form.is_base64, form.model, form.token_count);
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
  const std::string text = context.embedding.prompt + std::get<std::string>(input);
  if (text.size() > context.prompt_bytes_max) {
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("an input has {} bytes, and at most {} can fit into this model's {} tokens; shorten it, or "
                            "cut it into parts",
                            text.size(), context.prompt_bytes_max, context.engine.embedding_token_count_max()),
                "input");
  }
  return context.engine.bundle().tokenizer->encode(text, {});
}

}  // namespace

Start prepare_embeddings(const Call& call) {
  const ApiContext& context = call.context;
  const openai::EmbeddingsRequest request = openai::parse_embeddings_request(call.request.body);
  EmbeddingJob::Form form{.model = call.base_model(request.model), .is_base64 = request.is_base64};
  if (request.dimensions) {
    check_dimensions(context.embedding, *request.dimensions, context.engine.embedding_width());
  }
  EmbeddingRequest embedding{.inputs = {},
                             .pooling = context.embedding.pooling,
                             .normalizes = context.embedding.normalizes,
                             .dimensions = request.dimensions};
  for (const openai::Prompt& input : request.inputs) {
    embedding.inputs.push_back(tokens_of(input, context));
    form.token_count += static_cast<int64_t>(embedding.inputs.back().size());
  }
  return [engine = &context.engine, reply = call.reply, form = std::move(form), caller = call.caller,
          embedding = std::move(embedding)]() mutable {
    if (caller) caller->charge_tokens(form.token_count);
    const RequestId id = engine->submit(std::move(embedding), std::make_shared<EmbeddingJob>(reply, form));
    reply->on_abandoned([engine, id] { engine->cancel(id); });
  };
}

}  // namespace pelton::routes
