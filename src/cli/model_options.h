// The options of every command that runs a model: which one, on how many threads, how exactly, with how much memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class ModelOptions {
 public:
  // What --adapter may say: an adapter for all, or, several times, NAME=PATH as well, of adapters that requests name.
  enum class Adapters : uint8_t { kOne, kNamed };
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app, Adapters adapters = Adapters::kOne);
  // Without what only conversations need: --context and --kv-memory.
  void add_compute_to(CLI::App& app, ActivationType default_activations, Adapters adapters = Adapters::kOne);

  const std::string& model() const { return model_; }
  // Of --adapter NAME=PATH: name and path.
  const std::vector<std::pair<std::string, std::string>>& named_adapters() const { return named_adapters_; }
  // The model with its adapter. Errors: those of load_bundle().
  std::shared_ptr<const ModelBundle> bundle() const;
  EngineOptions engine_options() const;

 private:
  void read_adapters(const std::vector<std::string>& values);

  std::string model_;
  std::string adapter_;
  std::vector<std::pair<std::string, std::string>> named_adapters_;
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
