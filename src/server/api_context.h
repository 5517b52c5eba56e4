// What routes share: the engine and how it is presented. Immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/access/access.h"
#include "server/http/message.h"
#include "server/http/worker_pool.h"
#include "server/metrics/metrics.h"
#include "server/openai/answer.h"
#include "server/openai/generation_fields.h"
#include "text/tool_form.h"

namespace pelton {

class FineTuning;  // server/fine_tuning/fine_tuning.h

struct ApiContext {
  Engine& engine;
  std::vector<std::string> model_names;  // at least one; any of them may stand in `model`, or the engine's adapters
  bool allow_special_in_messages = false;
  int64_t started = 0;      // seconds since 1970
  std::string fingerprint;  // server/fingerprint.h
  size_t prompt_bytes_max = std::numeric_limits<size_t>::max();
  EmbeddingSettings embedding = {};
  std::optional<ToolForm> tool_form = {};                    // absent: found by the model's template
  std::optional<std::filesystem::path> adapter_folder = {};  // whose adapters clients may load; absent: none
  Access& access;
  Metrics& metrics;
  WorkerPool& workers;
  FineTuning* fine_tuning = nullptr;  // null: there is none
};

// Error kUnsupported, parameter `model`: an encoder is served, which generates no text.
void require_generation(const ApiContext& context);

// A text of more bytes has more tokens than the context, as far as each byte of it belongs to a token: the context's
// length × the longest token's bytes. Beyond it a prompt is refused before it costs the time of tokenising.
size_t prompt_bytes_max(const Engine& engine);

// The models that `caller` (null: everybody) may ask, as they are served, then the adapters.
std::vector<std::string> models_for(const ApiContext& context, const Caller* caller);
// The model that a request means; the caller's first where it names none. Error HttpError 404 model_not_found, which
// names the models that there are for this caller.
std::string find_model(const ApiContext& context, const Caller* caller, const std::optional<std::string>& name);

// What find_model() gave, where it names an adapter; empty: it is the model itself.
std::string adapter_of(const ApiContext& context, const std::string& model);

// `prefix` and some random digits.
std::string new_id(std::string_view prefix);
// A fresh id with `prefix` for an answer by `model`.
openai::AnswerIdentity identify(const ApiContext& context, std::string_view prefix, const std::string& model);

// Null where the fields ask for no form of the answer. Takes up to seconds: not on a thread that reads and writes.
// Errors: those of GrammarCompiler::compile(), with the field's name.
std::shared_ptr<const Grammar> compile_grammar(const ApiContext& context, const openai::GenerationFields& fields);

}  // namespace pelton
