#include "server/openai/rerank.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "engine/ranking.h"
#include "server/http/http_error.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// One HTTP request for a ranking on its way through the engine.
class RerankJob final : public EmbeddingSink {
 public:
  struct Form {
    openai::RerankRequest request;
    std::string id;
    std::string model;
    int64_t token_count = 0;
    ScoreActivation activation = ScoreActivation::kIdentity;
  };
  RerankJob(std::shared_ptr<Reply> reply, Form form) : reply_(std::move(reply)), form_(std::move(form)) {}

  // On the engine's thread; the rest happens on the strand.
  void on_finish(std::vector<std::vector<float>> scores) override {
    reply_->post([reply = reply_, form = std::move(form_), scores = std::move(scores)] {
      const json::object body = openai::rerank_answer(form.request, relevances(scores, form.activation), form.id,
                                                      form.model, form.token_count);
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

void check_length(const openai::RerankRequest& request, const ApiContext& context) {
  for (size_t i = 0; i < request.documents.size(); ++i) {
    const size_t bytes = request.query.size() + request.documents[i].size();
    if (bytes <= context.prompt_bytes_max) continue;
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("the query and document {} have {} bytes, and at most {} can fit into this model's {} "
                            "tokens; shorten them, or cut the document into parts",
                            i, bytes, context.prompt_bytes_max, context.engine.embedding_token_count_max()),
                "documents");
  }
}

}  // namespace

Start prepare_rerank(const Call& call) {
  const ApiContext& context = call.context;
  const ModelBundle& bundle = context.engine.bundle();
  const openai::RerankRequest request = openai::parse_rerank_request(call.request.body);
  RerankJob::Form form{.request = request,
                       .id = new_id("rerank-"),
                       .model = call.base_model(request.model),
                       .activation = bundle.classifier.activation};
  require_reranker(bundle);
  check_length(form.request, context);
  ClassificationRequest pairs = reranking_request(context.engine, form.request.query, form.request.documents);
  form.token_count = token_count(pairs);
  return [engine = &context.engine, reply = call.reply, form = std::move(form), caller = call.caller,
          pairs = std::move(pairs)]() mutable {
    if (caller) caller->charge_tokens(form.token_count);
    const RequestId id = engine->submit(std::move(pairs), std::make_shared<RerankJob>(reply, std::move(form)));
    reply->on_abandoned([engine, id] { engine->cancel(id); });
  };
}

}  // namespace pelton::routes
