#include "server/api_context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "base/check.h"
#include "base/rng.h"
#include "base/unix_time.h"
#include "server/http/http_error.h"

namespace pelton {

std::vector<std::string> models_for(const ApiContext& context, const Caller* caller) {
  std::vector<std::string> names = context.models.first().names;
  for (const AdapterInfo& adapter : context.models.first().engine->adapters()) names.push_back(adapter.name);
  for (const ModelStatus& model : context.models.list()) {
    if (!context.models.first().is_named(model.name)) names.push_back(model.name);
  }
  if (caller != nullptr) std::erase_if(names, [&](const std::string& name) { return !caller->may_ask(name); });
  return names;
}

std::string find_model(const ApiContext& context, const Caller* caller, const std::optional<std::string>& name) {
  const std::vector<std::string> models = models_for(context, caller);
  if (!name && !models.empty()) return models.front();
  if (name && std::find(models.begin(), models.end(), *name) != models.end()) return *name;
  throw HttpError(404, "model_not_found",
                  fmt::format("the model \"{}\" is not served here{}; there is {}", name.value_or(""),
                              caller != nullptr ? " for this key" : "",
                              models.empty() ? "none" : fmt::format("{}", fmt::join(models, ", "))),
                  "model");
}

AskedModel load_model(const ApiContext& context, const std::string& model, const ModelSet::IsWanted& is_wanted) {
  AskedModel asked{.served = nullptr, .name = model, .adapter = context.models.has(model) ? "" : model};
  const std::string& base = asked.adapter.empty() ? model : context.models.first().names.front();
  asked.served = context.models.find_loaded(base);
  if (asked.served == nullptr) {
    context.workers.wait_aside([&] { asked.served = context.models.load(base, is_wanted); });
  }
  CHECK(asked.served != nullptr);
  return asked;
}

std::shared_ptr<const Grammar> compile_grammar(const ServedModel& model, const openai::GenerationFields& fields) {
  if (!fields.grammar) return nullptr;
  try {
    return model.engine->grammars().compile(*fields.grammar);
  } catch (const Error& error) {
    throw Error(error.code(), fields.grammar_field + ": " + error.message(), fields.grammar_field);
  }
}

std::string new_id(std::string_view prefix) {
  static thread_local Rng rng((static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}());
  return fmt::format("{}{:016x}{:08x}", prefix, rng.next(), rng.next() >> 32);
}

openai::AnswerIdentity identify(const AskedModel& model, std::string_view prefix) {
  return {
      .id = new_id(prefix), .created = unix_seconds(), .model = model.name, .fingerprint = model.served->fingerprint};
}

}  // namespace pelton
