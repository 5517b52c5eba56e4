#include "server/openai/embeddings.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "model/bundle.h"
#include "server/routes/embedding_start.h"

namespace pelton::routes {
namespace {

std::vector<TokenId> tokens_of(const openai::Prompt& input, const ServedModel& model) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&input)) return *tokens;
  const std::string text = model.embedding.prompt + std::get<std::string>(input);
  if (text.size() > model.prompt_bytes_max) {
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("an input has {} bytes, and at most {} can fit into this model's {} tokens; shorten it, or "
                            "cut it into parts",
                            text.size(), model.prompt_bytes_max, model.engine->embedding_token_count_max()),
                "input");
  }
  return model.engine->bundle().tokenizer->encode(text, {});
}

}  // namespace

Start prepare_embeddings(const Call& call) {
  const openai::EmbeddingsRequest request = openai::parse_embeddings_request(call.request.body);
  const AskedModel asked = call.base_model(request.model);
  const ServedModel& model = *asked.served;
  if (request.dimensions) {
    check_dimensions(model.embedding, *request.dimensions, model.engine->embedding_width());
  }
  EmbeddingRequest embedding{.inputs = {},
                             .pooling = model.embedding.pooling,
                             .normalizes = model.embedding.normalizes,
                             .dimensions = request.dimensions};
  int64_t token_count = 0;
  for (const openai::Prompt& input : request.inputs) {
    embedding.inputs.push_back(tokens_of(input, model));
    token_count += static_cast<int64_t>(embedding.inputs.back().size());
  }
  const bool is_base64 = request.is_base64;
  return start_embedding(call, asked, std::move(embedding), token_count,
                         [=, name = asked.name](const std::vector<std::vector<float>>& embeddings) {
                           return openai::embeddings_answer(embeddings, is_base64, name, token_count);
                         });
}

}  // namespace pelton::routes
