// Documents in the order of what a reranker says of each of them together with a query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/embedding_request.h"
#include "engine/engine.h"
#include "model/bundle.h"

namespace pelton {

// Error kUnsupported, parameter `model`: it is no classifier of one label, or its tokenizer knows no pairs.
void require_reranker(const ModelBundle& bundle);

// Each document behind the query, as the model was trained to read them. Errors: those of Tokenizer::encode_pair;
// kContextTooLong, parameter `documents`: one is too long together with the query.
ClassificationRequest reranking_request(const Engine& engine, std::string_view query,
                                        const std::vector<std::string>& documents);
int64_t token_count(const ClassificationRequest& request);

// What classify() gives of that → relevance, by document.
std::vector<float> relevances(std::vector<std::vector<float>> scores, ScoreActivation activation);

// Indices, the best first and of equal ones the first; `count_max` of them, or all.
std::vector<size_t> ranking(const std::vector<float>& scores, std::optional<int64_t> count_max);

}  // namespace pelton
