#include "server/openai/embeddings.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "model/bundle.h"
#include "server/routes/embedding_start.h"

namespace pelton::routes {
namespace {

std::vector<TokenId> tokens_of(const openai::Prompt& input, const ApiContext& context) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&input)) return *tokens;
  const std::string text = context.embedding.prompt + std::get<std::string>(input);
  if (text.size() > context.prompt_bytes_max) {
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("an input has {} bytes, and at most {} can fit into this model's {} tokens; shorten it, or "
                            "cut it into parts",
                            text.size(), context.prompt_bytes_max, context.engine.embedding_token_count_max()),
                "input");
  }
  return context.engine.bundle().tokenizer->encode(text, {});
}

}  // namespace

Start prepare_embeddings(const Call& call) {
  const ApiContext& context = call.context;
  const openai::EmbeddingsRequest request = openai::parse_embeddings_request(call.request.body);
  const std::string model = call.base_model(request.model);
  if (request.dimensions) {
    check_dimensions(context.embedding, *request.dimensions, context.engine.embedding_width());
  }
  EmbeddingRequest embedding{.inputs = {},
                             .pooling = context.embedding.pooling,
                             .normalizes = context.embedding.normalizes,
                             .dimensions = request.dimensions};
  int64_t token_count = 0;
  for (const openai::Prompt& input : request.inputs) {
    embedding.inputs.push_back(tokens_of(input, context));
    token_count += static_cast<int64_t>(embedding.inputs.back().size());
  }
  const bool is_base64 = request.is_base64;
  return start_embedding(call, std::move(embedding), token_count,
                         [=](const std::vector<std::vector<float>>& embeddings) {
                           return openai::embeddings_answer(embeddings, is_base64, model, token_count);
                         });
}

}  // namespace pelton::routes
