#include "server/openai/rerank.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "engine/ranking.h"
#include "server/routes/embedding_start.h"

namespace pelton::routes {
namespace {

void check_length(const openai::RerankRequest& request, const ServedModel& model) {
  for (size_t i = 0; i < request.documents.size(); ++i) {
    const size_t bytes = request.query.size() + request.documents[i].size();
    if (bytes <= model.prompt_bytes_max) continue;
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("the query and document {} have {} bytes, and at most {} can fit into this model's {} "
                            "tokens; shorten them, or cut the document into parts",
                            i, bytes, model.prompt_bytes_max, model.engine->embedding_token_count_max()),
                "documents");
  }
}

}  // namespace

Start prepare_rerank(const Call& call) {
  const openai::RerankRequest request = openai::parse_rerank_request(call.request.body);
  const AskedModel model = call.base_model(request.model);
  const ModelBundle& bundle = model.served->engine->bundle();
  require_reranker(bundle);
  check_length(request, *model.served);
  ClassificationRequest pairs = reranking_request(*model.served->engine, request.query, request.documents);
  const int64_t count = token_count(pairs);
  return start_classification(call, model, std::move(pairs), count,
                              [request, name = model.name, count, id = new_id("rerank-"),
                               activation = bundle.classifier.activation](std::vector<std::vector<float>> scores) {
                                return openai::rerank_answer(request, relevances(std::move(scores), activation), id,
                                                             name, count);
                              });
}

}  // namespace pelton::routes
