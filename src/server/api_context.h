// What routes share: the models and who may ask for them. Immutable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/access.h"
#include "server/http/message.h"
#include "server/http/worker_pool.h"
#include "server/model_set.h"
#include "server/openai/answer.h"
#include "server/openai/generation_fields.h"

namespace pelton {

class FineTuning;  // server/fine_tuning/fine_tuning.h

struct ApiContext {
  ModelSet& models;                                          // adapters and finetuning are the first's
  int64_t started = 0;                                       // seconds since 1970
  std::optional<std::filesystem::path> adapter_folder = {};  // whose adapters clients may load; absent: none
  Access& access;
  WorkerPool& workers;
  FineTuning* fine_tuning = nullptr;  // null: there is none
};

// The models that `caller` (null: everybody) may ask, as they are served, and the adapters behind the first's names.
std::vector<std::string> models_for(const ApiContext& context, const Caller* caller);
// The model that a request means; the caller's first where it names none. Error HttpError 404 model_not_found, which
// names the models that there are for this caller.
std::string find_model(const ApiContext& context, const Caller* caller, const std::optional<std::string>& name);

// What a request's `model` stands for.
struct AskedModel {
  std::shared_ptr<const ServedModel> served;
  std::string name;     // as it was asked for
  std::string adapter;  // empty: the model itself
};
// On a worker: of what find_model() gave. May wait until the model is loaded, while others get the worker's place.
// Errors: those of ModelSet::load() and WorkerPool::wait_aside().
AskedModel load_model(const ApiContext& context, const std::string& model, const ModelSet::IsWanted& is_wanted);

// `prefix` and some random digits.
std::string new_id(std::string_view prefix);
// A fresh id with `prefix` for an answer.
openai::AnswerIdentity identify(const AskedModel& model, std::string_view prefix);

// Null where the fields ask for no form of the answer. Takes up to seconds: not on a thread that reads and writes.
// Errors: those of GrammarCompiler::compile(), with the field's name.
std::shared_ptr<const Grammar> compile_grammar(const ServedModel& model, const openai::GenerationFields& fields);

}  // namespace pelton
