#include "server/openai/rerank.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "engine/ranking.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = RerankRequest;

constexpr size_t kDocumentCountMax = 2048;  // as many as inputs of an embedding request

// Strings, or objects with one as `text`.
void read_documents(const JsonReader& reader, std::string_view name, Request& request) {
  constexpr std::string_view kExpected = "an array of strings, or of objects with a text";
  const json::array* documents = reader.array(name);
  if (documents == nullptr || documents->empty()) reader.fail(name, kExpected);
  if (documents->size() > kDocumentCountMax) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} texts; at most {} in one request", name, documents->size(), kDocumentCountMax),
                std::string(name));
  }
  for (const json::value& document : *documents) {
    const json::object* object = document.if_object();
    const json::value* text = object == nullptr ? &document : object->if_contains("text");
    if (text == nullptr || !text->is_string()) reader.fail(name, kExpected);
    request.documents.emplace_back(text->get_string());
  }
}

void read_query(const JsonReader& reader, std::string_view name, Request& request) {
  const auto query = reader.string(name);
  if (!query) reader.fail(name, "a string");
  request.query = *query;
}

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    other<Request, read_query>("query", R"({"type": "string"})"),
    other<Request, read_documents>(
        "documents",
        R"({"type": "array", "minItems": 1, "maxItems": 2048, "items": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}]}})"),
    integer<&Request::top_n>("top_n", 1, int64_t{1} << 31),
    boolean<&Request::returns_documents>("return_documents"),
    ignored<Request>("user"),
};

}  // namespace

RerankRequest parse_rerank_request(std::string_view body) {
  return parse_request(body, std::span<const Field<Request>>(kFields));
}

json::object rerank_answer(const RerankRequest& request, const std::vector<float>& scores, const std::string& id,
                           const std::string& model, int64_t token_count) {
  json::array results;
  for (const size_t index : ranking(scores, request.top_n)) {
    json::object result = {{"index", index}, {"relevance_score", scores[index]}};
    if (request.returns_documents) result["document"] = {{"text", request.documents[index]}};
    results.push_back(std::move(result));
  }
  return {{"id", id},
          {"model", model},
          {"results", std::move(results)},
          {"usage", {{"prompt_tokens", token_count}, {"total_tokens", token_count}}}};
}

json::object rerank_request_schema() {
  return body_schema({"query", "documents"}, std::span<const Field<Request>>(kFields));
}

}  // namespace pelton::openai
