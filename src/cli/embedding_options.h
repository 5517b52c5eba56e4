// How hidden states become embeddings, where a flag says otherwise than the model.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "model/embedding_settings.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class EmbeddingOptions {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app);
  EmbeddingSettings settings(const EmbeddingSettings& of_model) const;

 private:
  std::optional<std::string> pooling_;
  std::optional<bool> normalizes_;
};

}  // namespace pelton::cli
