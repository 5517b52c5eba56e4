// POST /v1/rerank, as Jina, Cohere and vLLM have it: its body as a plain struct, and its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton::openai {

struct RerankRequest {
  std::optional<std::string> model;
  std::string query;
  std::vector<std::string> documents;  // at least one
  std::optional<int64_t> top_n;        // the best so many; none: all
  bool returns_documents = true;
};

// Errors: kInvalidArgument, with the field's name, as the other endpoints.
RerankRequest parse_rerank_request(std::string_view body);

// One score a document. Best first; of equal ones, in the order of the request.
json::object rerank_answer(const RerankRequest& request, const std::vector<float>& scores, const std::string& id,
                           const std::string& model, int64_t token_count);

// The body as a JSON schema.
json::object rerank_request_schema();

}  // namespace pelton::openai
