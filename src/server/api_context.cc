#include "server/api_context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "base/rng.h"
#include "base/unix_time.h"
#include "server/http/http_error.h"

namespace pelton {

size_t prompt_bytes_max(const Engine& engine) {
  const Tokenizer& tokenizer = *engine.bundle().tokenizer;
  size_t longest = 1;
  for (int32_t token = 0; token < tokenizer.vocabulary_size(); ++token) {
    longest = std::max(longest, tokenizer.token_bytes(TokenId{token}).size());
  }
  return static_cast<size_t>(engine.context_length()) * longest;
}

void require_generation(const ApiContext& context) {
  if (context.engine.can_generate()) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the model {} answers {} and generates no text", context.model_names.front(),
                          context.engine.can_classify() ? "/classify and /v1/rerank" : "/v1/embeddings"),
              "model");
}

std::vector<std::string> models_for(const ApiContext& context, const Caller* caller) {
  std::vector<std::string> models;
  for (const std::string& served : context.model_names) {
    if (caller == nullptr || caller->may_ask(served)) models.push_back(served);
  }
  for (const AdapterInfo& adapter : context.engine.adapters()) {
    if (caller == nullptr || caller->may_ask(adapter.name)) models.push_back(adapter.name);
  }
  return models;
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

std::string adapter_of(const ApiContext& context, const std::string& model) {
  const std::vector<std::string>& names = context.model_names;
  return std::find(names.begin(), names.end(), model) == names.end() ? model : "";
}

std::shared_ptr<const Grammar> compile_grammar(const ApiContext& context, const openai::GenerationFields& fields) {
  if (!fields.grammar) return nullptr;
  try {
    return context.engine.grammars().compile(*fields.grammar);
  } catch (const Error& error) {
    throw Error(error.code(), fields.grammar_field + ": " + error.message(), fields.grammar_field);
  }
}

std::string new_id(std::string_view prefix) {
  static thread_local Rng rng((static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}());
  return fmt::format("{}{:016x}{:08x}", prefix, rng.next(), rng.next() >> 32);
}

openai::AnswerIdentity identify(const ApiContext& context, std::string_view prefix, const std::string& model) {
  return {.id = new_id(prefix), .created = unix_seconds(), .model = model, .fingerprint = context.fingerprint};
}

}  // namespace pelton
