#include "cli/on_demand_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/available_memory.h"
#include "base/byte_size.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/option_checks.h"
#include "engine/model_runner.h"
#include "model/bundle.h"
#include "model/model.h"

namespace pelton::cli {
namespace {

constexpr const char* kGroup = "Models on demand";
constexpr double kIdleSecondsMax = 30.0 * 86'400;
constexpr int64_t kShareOfFree = 2;
constexpr int64_t kShareForKeysAndValues = 4;  // of one model, in what there is for all on demand

struct NamedModel {
  std::string name;  // empty: the file's
  std::string path;
};

// The path may have "=" itself where it is no name but begins with a folder.
NamedModel split_name(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || text.find('/') < equals) return {.name = "", .path = text};
  return {.name = text.substr(0, equals), .path = text.substr(equals + 1)};
}

ServedOnDemand look_at(const NamedModel& model, EngineOptions engine, int64_t bytes_max) {
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(model.path);
  const std::string name = model.name.empty() ? bundle->name : model.name;
  if (const std::string problem = name_problem(name); !problem.empty()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("--also {}: its name: {}", model.path, problem));
  }
  if (bundle->tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("--also {}: the model has no tokenizer", name));
  }
  const int64_t longest = bundle->model->spec.context_length;
  if (engine.context_length) engine.context_length = std::min(*engine.context_length, longest);
  const EngineMemory memory = engine_memory(*bundle->model, engine);
  if (memory.kv_bytes_max > 0 && !engine.kv_bytes_max) {
    engine.kv_bytes_max =
        std::max(memory.kv_bytes_min, std::min(memory.kv_bytes_max, bytes_max / kShareForKeysAndValues));
  }
  const int64_t kv_bytes = memory.text_bytes + (memory.kv_bytes_max > 0 ? *engine.kv_bytes_max : 0);
  const int64_t context_length = engine.context_length.value_or(longest);
  if (memory.weight_bytes + kv_bytes > bytes_max) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--also {}: its weights take {}, keys and values at contexts of {} tokens {}; models on "
                            "demand may have {} together: allow more (--also-memory), or a shorter --context",
                            name, format_byte_size(memory.weight_bytes), context_length, format_byte_size(kv_bytes),
                            format_byte_size(bytes_max)));
  }
  return {.name = name,
          .context_length = context_length,
          .bytes = memory.weight_bytes + kv_bytes,
          .load = [path = model.path, engine] { return std::make_shared<Engine>(load_bundle(path), engine); }};
}

}  // namespace

void OnDemandOptions::add_to(CLI::App& app) {
  CLI::Option* also = app.add_option("--also", models_,
                                     "Another model, loaded when a request names it and unloaded when another needs "
                                     "its memory or nobody asks (may be given several times)")
                          ->type_name("[NAME=]MODEL")
                          ->type_size(1)
                          ->allow_extra_args(false)
                          ->group(kGroup);
  app.add_option(
         "--also-memory", memory_,
         "What those models may take together, as in 8G (default: half of what is free once the first is there)")
      ->check(byte_size_problem)
      ->type_name("SIZE")
      ->needs(also)
      ->group(kGroup);
  app.add_option("--also-idle", idle_seconds_,
                 "Seconds after its last answer at which such a model is unloaded; 0: only when its memory is needed")
      ->check([](const std::string& text) { return number_problem(text, kIdleSecondsMax); })
      ->capture_default_str()
      ->needs(also)
      ->group(kGroup);
}

void OnDemandOptions::apply(const EngineOptions& first, ServerOptions& options) const {
  if (models_.empty()) return;
  options.others_bytes_max = memory_ ? parse_byte_size(*memory_) : available_memory_bytes() / kShareOfFree;
  options.others_idle_max.reset();
  if (idle_seconds_ > 0) {
    options.others_idle_max = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(idle_seconds_));
  }
  for (const std::string& model : models_) {
    options.others.push_back(look_at(split_name(model), first, options.others_bytes_max));
    log::info(fmt::format("on demand: {}, {} with its keys and values", options.others.back().name,
                          format_byte_size(options.others.back().bytes)));
  }
  log::info(fmt::format("models on demand may have {} together", format_byte_size(options.others_bytes_max)));
}

}  // namespace pelton::cli
