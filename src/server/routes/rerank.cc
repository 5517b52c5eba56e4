#include "server/openai/rerank.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "engine/ranking.h"
#include "server/routes/embedding_start.h"

namespace pelton::routes {
namespace {

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
  const std::string model = call.base_model(request.model);
  require_reranker(bundle);
  check_length(request, context);
  ClassificationRequest pairs = reranking_request(context.engine, request.query, request.documents);
  const int64_t count = token_count(pairs);
  return start_classification(call, std::move(pairs), count,
                              [request, model, count, id = new_id("rerank-"),
                               activation = bundle.classifier.activation](std::vector<std::vector<float>> scores) {
                                return openai::rerank_answer(request, relevances(std::move(scores), activation), id,
                                                             model, count);
                              });
}

}  // namespace pelton::routes
