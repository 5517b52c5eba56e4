#include "cli/model_options.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/byte_size.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/name_value.h"
#include "cli/command.h"
#include "cli/option_checks.h"
#include "model/model.h"

namespace pelton::cli {
namespace {

constexpr const char* kGroup = "Model";
constexpr int kThreadCountMax = 1024;
constexpr int64_t kContextLengthMax = int64_t{1} << 30;

}  // namespace

void ModelOptions::add_to(CLI::App& app, Adapters adapters) {
  add_compute_to(app, ActivationType::kInt8, adapters);
  app.add_option("--context", context_length_,
                 "Tokens of prompt and answer together (default: what the model was made for)")
      ->check(CLI::Range(int64_t{1}, kContextLengthMax))
      ->group(kGroup);
  app.add_option("--kv-memory", kv_memory_,
                 "Memory for keys and values, as in 512M or 2G (default: a quarter of what is free)")
      ->check(byte_size_problem)
      ->type_name("SIZE")
      ->group(kGroup);
}

void ModelOptions::add_compute_to(CLI::App& app, ActivationType default_activations, Adapters adapters) {
  activations_ = default_activations == ActivationType::kF32 ? "f32" : "int8";
  app.add_option("-m,--model", model_,
                 "A GGUF file, a Hugging Face folder, the short name of a model in the cache, or hf:ORG/NAME[:FILE] "
                 "that was pulled")
      ->required()
      ->type_name("MODEL")
      ->group(kGroup);
  CLI::Option* adapter =
      adapters == Adapters::kOne
          ? app.add_option("--adapter", adapter_,
                           "An adapter (LoRA, IA³) on top of the model: PEFT's folder, or a GGUF file of LoRA")
                ->type_name("PATH")
          : app.add_option_function<std::vector<std::string>>(
                   "--adapter", [this](const std::vector<std::string>& values) { read_adapters(values); },
                   "An adapter (LoRA, IA³) that requests choose by `model` (may be given several times): PEFT's "
                   "folder, or a GGUF file of LoRA. Without a name: on top of the model for everybody")
                ->type_name("[NAME=]PATH")
                ->type_size(1)
                ->allow_extra_args(false);
  adapter->group(kGroup);
  app.add_option("--adapter-mode", adapter_mode_,
                 "unmerged works on quantised models too; merged costs nothing for a token, and a copy of the matrices")
      ->check(CLI::IsMember({"unmerged", "merged"}))
      ->capture_default_str()
      ->needs(adapter)
      ->group(kGroup);
  app.add_option("-t,--threads", thread_count_, "Threads that compute (default: one for each core)")
      ->check(CLI::Range(1, kThreadCountMax))
      ->group(kGroup);
  app.add_option("--activations", activations_,
                 "int8 is fast; f32 computes with the weights exactly as they lie in the file")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--kv-type", kv_type_,
                 "How keys and values are kept (default: int8 with int8 activations, f32 with f32)")
      ->check(CLI::IsMember(kv_type_names()))
      ->group(kGroup);
  add_deterministic_to(app);
}

void ModelOptions::read_adapters(const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    if (const std::optional<NameValue> named = split_name_value(value)) {
      named_adapters_.emplace_back(named->name, named->value);
    } else if (adapter_.empty()) {
      adapter_ = value;
    } else {
      throw CLI::ValidationError("--adapter", fmt::format("{} and {}: only one can lie on top of the model for "
                                                          "everybody; give the others as NAME=PATH",
                                                          adapter_, value));
    }
  }
}

std::shared_ptr<const ModelBundle> ModelOptions::bundle() const {
  if (adapter_.empty()) return load_bundle(model_);
  const AdapterMode mode = adapter_mode_ == "merged" ? AdapterMode::kMerged : AdapterMode::kUnmerged;
  return load_bundle(model_, AdapterChoice{adapter_, mode});
}

void add_deterministic_to(CLI::App& app) {
  app.add_flag_function(
         "--deterministic", [](int64_t) {},
         "The same bits whatever is computed at the same time: always so, at no cost; for scripts that ask")
      ->group(kGroup);
}

std::vector<std::string> kv_type_names() {
  std::vector<std::string> names;
  for (const ElementType type : kKvTypes) names.emplace_back(kv_type_name(type));
  return names;
}

EngineOptions ModelOptions::engine_options() const {
  EngineOptions options;
  options.thread_count = thread_count_;
  options.activations = activations_ == "f32" ? ActivationType::kF32 : ActivationType::kInt8;
  if (kv_type_) options.kv_type = parse_kv_type(*kv_type_);
  options.context_length = context_length_;
  if (kv_memory_) options.kv_bytes_max = parse_byte_size(*kv_memory_);
  return options;
}

std::shared_ptr<const ModelBundle> require_generator(std::shared_ptr<const ModelBundle> bundle) {
  const ModelSpec& spec = bundle->model->spec;
  if (!spec.is_encoder && spec.label_count == 0) return bundle;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{} is {} with it", bundle->path.string(),
                          spec.label_count > 0 ? "a classifier: `pelton classify` works"
                                               : "an encoder: `pelton embed` and `pelton serve` work"));
}

LoadedModel load_model(const ModelOptions& options, EngineOptions engine_options) {
  const SteadyClock clock;
  const TimePoint start = clock.now();
  LoadedModel loaded;
  loaded.bundle = options.bundle();
  if (loaded.bundle->tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} has no tokenizer, so it can neither read nor write text; `pelton verify` and `pelton "
                            "inspect` work with it",
                            loaded.bundle->path.string()));
  }
  loaded.engine = std::make_unique<Engine>(loaded.bundle, engine_options);
  loaded.load_ms = milliseconds(clock.now() - start);
  return loaded;
}

}  // namespace pelton::cli
