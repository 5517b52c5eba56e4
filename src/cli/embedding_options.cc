#include "cli/embedding_options.h"

#include "cli/command.h"

namespace pelton::cli {

void EmbeddingOptions::add_to(CLI::App& app) {
  constexpr const char* kGroup = "Embeddings";
  app.add_option("--pooling", pooling_,
                 "Which rows make an embedding: the first, the mean of all, the last (default: what the model says; "
                 "else the mean of an encoder's, a decoder's last)")
      ->check(CLI::IsMember(pooling_names()))
      ->group(kGroup);
  app.add_flag_function(
         "--normalize,!--no-normalize", [this](int64_t count) { normalizes_ = count > 0; },
         "Give embeddings the length 1, or not (default: what the model says, else yes)")
      ->group(kGroup);
}

EmbeddingSettings EmbeddingOptions::settings(const EmbeddingSettings& of_model) const {
  EmbeddingSettings settings = of_model;
  if (pooling_) settings.pooling = *parse_pooling(*pooling_);
  if (normalizes_) settings.normalizes = *normalizes_;
  return settings;
}

}  // namespace pelton::cli
