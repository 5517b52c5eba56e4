// The options of every command that runs a model: which one, on how many threads, how exactly, with how much memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class ModelOptions {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app);
  // Without what only conversations need: --context and --kv-memory.
  void add_compute_to(CLI::App& app, ActivationType default_activations);

  const std::string& model() const { return model_; }
  // The model with its adapter. Errors: those of load_bundle().
  std::shared_ptr<const ModelBundle> bundle() const;
  EngineOptions engine_options() const;

 private:
  std::string model_;
  std::string adapter_;
  std::string adapter_mode_ = "unmerged";
  int thread_count_ = 0;
  std::string activations_;
  std::optional<std::string> kv_type_;
  std::optional<int64_t> context_length_;
  std::optional<std::string> kv_memory_;
};

// --deterministic, which asks for what every computation here does.
void add_deterministic_to(CLI::App& app);

// What --kv-type may be.
std::vector<std::string> kv_type_names();

// The bundle itself, for what only models that generate text can do. Error kUnsupported: an encoder.
std::shared_ptr<const ModelBundle> require_generator(std::shared_ptr<const ModelBundle> bundle);

// A model that is ready to answer.
struct LoadedModel {
  std::shared_ptr<const ModelBundle> bundle;
  std::unique_ptr<Engine> engine;
  double load_ms;
};
// Errors: those of load_bundle() and Engine; kUnsupported: the model has no tokenizer.
LoadedModel load_model(const ModelOptions& options, EngineOptions engine_options);

}  // namespace pelton::cli
