// From a path or a short name to everything that is needed to run a model.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/classifier.h"
#include "model/embedding_settings.h"
#include "model/spec.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pelton {

// An adapter on top of a model (model/adapter.h).
enum class AdapterMode : uint8_t {
  kUnmerged,  // beside the base, which may be quantised: exact, and two thin products more for each matrix
  kMerged,    // summed into the base's matrices once, which get copies of their own
};
struct AdapterChoice {
  std::filesystem::path path;
  AdapterMode mode = AdapterMode::kUnmerged;
};

struct Model;  // model/model.h: spec, layer calls and weights

// What the model's makers recommend (generation_config.json); absent where they say nothing.
struct GenerationDefaults {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
};

// Immutable and shared: server, commands and tests hold it by shared_ptr<const>.
struct ModelBundle {
  std::string name;  // what `/v1/models` says: the file's or folder's name without extension
  std::filesystem::path path;
  std::shared_ptr<const Model> model;                 // with the adapter, where one was asked for
  std::shared_ptr<const Tokenizer> tokenizer;         // null: a folder without one; such a model takes token ids only
  std::shared_ptr<const ChatTemplate> chat_template;  // null: none, so no chat
  std::vector<TokenId> end_tokens;                    // any of them ends an answer
  GenerationDefaults generation;
  EmbeddingSettings embedding;
  ClassifierSettings classifier;
};

// `model` is a path to a GGUF file or a Hugging Face folder, or the name of one in the cache's `models/` folder
// (without the extension), or a hub's name (io/hub/hub_name.h) that is in huggingface_hub's cache: never a download.
// Errors: kNotFound (says where it looked and which names there are), kInvalidArgument (a hub's name that is none, or
// stands for several models), kCorruptFile, kUnsupported.
std::filesystem::path resolve_model_path(const std::string& model);
// Errors of an adapter: as read_adapter() and merge_adapter() give them.
std::shared_ptr<const ModelBundle> load_bundle(const std::string& model,
                                               const std::optional<AdapterChoice>& adapter = std::nullopt);

}  // namespace pelton
