#include "server/openai/embeddings.h"

#include <bit>
#include <utility>

#include "base/base64.h"
#include "base/json_text.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = EmbeddingsRequest;

constexpr size_t kInputCountMax = 2048;  // OpenAI's
constexpr int64_t kDimensionsMax = int64_t{1} << 24;

void read_input(const JsonReader& reader, std::string_view name, Request& request) {
  request.inputs = read_prompts(reader, name, kInputCountMax);
}

void read_encoding(const JsonReader& reader, std::string_view name, Request& request) {
  const auto format = reader.string(name);
  if (format && *format != "float" && *format != "base64") reader.fail(name, "\"float\" or \"base64\"");
  request.is_base64 = format == "base64";
}

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    other<Request, read_input>("input", kPromptsSchema),
    other<Request, read_encoding>("encoding_format", R"({"enum": ["float", "base64", null]})"),
    integer<&Request::dimensions>("dimensions", 1, kDimensionsMax),
    ignored<Request>("user"),
};

json::value to_base64_json(const std::vector<float>& embedding) {
  static_assert(std::endian::native == std::endian::little);
  return json::value(to_base64({reinterpret_cast<const char*>(embedding.data()), embedding.size() * sizeof(float)}));
}

}  // namespace

EmbeddingsRequest parse_embeddings_request(std::string_view body) {
  return parse_request(body, std::span<const Field<Request>>(kFields));
}

json::object embeddings_answer(const std::vector<std::vector<float>>& embeddings, bool is_base64,
                               const std::string& model, int64_t token_count) {
  json::array data;
  data.reserve(embeddings.size());
  for (size_t i = 0; i < embeddings.size(); ++i) {
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", is_base64 ? to_base64_json(embeddings[i]) : json::value(to_json(embeddings[i]))}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", token_count}, {"total_tokens", token_count}}}};
}

json::object embeddings_request_schema() { return body_schema({"input"}, std::span<const Field<Request>>(kFields)); }

}  // namespace pelton::openai
