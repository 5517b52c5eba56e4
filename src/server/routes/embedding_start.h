// How the endpoints go on whose answers are made of rows of numbers: embeddings, relevances, scores.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/json.h"
#include "engine/embedding_request.h"
#include "server/routes/routes.h"

namespace pelton::routes {

// [inputs][numbers] → the reply's body. Called on the reply's strand, since that takes a moment.
using MakeBody = std::function<json::object(std::vector<std::vector<float>>)>;

// Charges the caller for so many tokens, asks the model's engine, and replies with the body or the error.
Start start_embedding(const Call& call, const AskedModel& model, EmbeddingRequest request, int64_t token_count,
                      MakeBody make_body);
Start start_classification(const Call& call, const AskedModel& model, ClassificationRequest request,
                           int64_t token_count, MakeBody make_body);

}  // namespace pelton::routes
