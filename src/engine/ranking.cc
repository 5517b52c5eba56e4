#include "engine/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"
#include "model/model.h"

namespace pelton {

void require_reranker(const ModelBundle& bundle) {
  const int64_t label_count = bundle.model == nullptr ? 0 : bundle.model->spec.label_count;
  if (label_count == 1) return;
  throw Error(ErrorCode::kUnsupported,
              label_count == 0
                  ? fmt::format("{} is no reranker: it has no classifier", bundle.name)
                  : fmt::format("{} gives {} scores a text; a reranker gives one", bundle.name, label_count),
              "model");
}

ClassificationRequest reranking_request(const Engine& engine, std::string_view query,
                                        const std::vector<std::string>& documents) {
  ClassificationRequest request;
  request.inputs.reserve(documents.size());
  for (size_t i = 0; i < documents.size(); ++i) {
    TokenPair pair = engine.bundle().tokenizer->encode_pair(query, documents[i]);
    if (std::ssize(pair.tokens) > engine.embedding_token_count_max()) {
      throw Error(
          ErrorCode::kContextTooLong,
          fmt::format("the query and document {} have {} tokens together, and this model takes {}; shorten them, "
                      "or cut the document into parts",
                      i, pair.tokens.size(), engine.embedding_token_count_max()),
          "documents");
    }
    request.inputs.push_back(std::move(pair));
  }
  return request;
}

int64_t token_count(const ClassificationRequest& request) {
  return std::accumulate(request.inputs.begin(), request.inputs.end(), int64_t{0},
                         [](int64_t sum, const TokenPair& pair) { return sum + std::ssize(pair.tokens); });
}

std::vector<float> relevances(std::vector<std::vector<float>> scores, ScoreActivation activation) {
  std::vector<float> relevances;
  for (std::vector<float>& labels : scores) {
    activate(activation, labels);
    relevances.push_back(labels.at(0));
  }
  return relevances;
}

std::vector<size_t> ranking(const std::vector<float>& scores, std::optional<int64_t> count_max) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  if (count_max) order.resize(std::min(order.size(), static_cast<size_t>(*count_max)));
  return order;
}

}  // namespace pelton
