#include <fmt/format.h>

#include "base/error.h"
#include "base/json_text.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// An adapter has, as with vLLM, its base as `parent`, and what it was read from as `root`.
json::object describe(const ApiContext& context, const std::string& name) {
  json::object model = {{"id", name},
                        {"object", "model"},
                        {"created", context.started},
                        {"owned_by", "pelton"},
                        {"max_model_len", context.engine.context_length()}};
  if (adapter_of(context, name).empty()) return model;
  for (const AdapterInfo& adapter : context.engine.adapters()) {
    if (adapter.name == name) model["root"] = adapter.path.filename().string();
  }
  model["parent"] = context.model_names.front();
  return model;
}

}  // namespace

std::string Call::base_model(const std::optional<std::string>& name) const {
  std::string found = model(name);
  if (adapter_of(context, found).empty()) return found;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{} is an adapter, which chats and completions take; ask {} here", found,
                          context.model_names.front()),
              "model");
}

void list_models(const Call& call) {
  json::array models;
  for (const std::string& name : models_for(call.context, call.caller.get()))
    models.push_back(describe(call.context, name));
  json::object body = {{"object", "list"}};
  body["data"] = std::move(models);
  call.reply->respond({.body = to_json_text(body)});
}

void show_model(const Call& call) {
  call.reply->respond({.body = to_json_text(describe(call.context, call.model(call.parameter)))});
}

}  // namespace pelton::routes
