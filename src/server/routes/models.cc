#include <fmt/format.h>

#include "base/error.h"
#include "base/json_text.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

// An adapter has, as with vLLM, its base as `parent`, and what it was read from as `root`.
// `status` is llama-server's, which serves several models as well.
json::object describe(const ApiContext& context, const std::string& name) {
  const ServedModel& first = context.models.first();
  json::object model = {{"id", name}, {"object", "model"}, {"created", context.started}, {"owned_by", "pelton"}};
  for (const ModelStatus& served : context.models.list()) {
    if (served.name != name) continue;
    model["max_model_len"] = served.context_length;
    model["status"] = {{"value", served.state}};
    return model;
  }
  model["max_model_len"] = first.engine->context_length();
  for (const AdapterInfo& adapter : first.engine->adapters()) {
    if (adapter.name == name) model["root"] = adapter.path.filename().string();
  }
  model["parent"] = first.names.front();
  return model;
}

}  // namespace

AskedModel Call::base_model(const std::optional<std::string>& name) const {
  AskedModel found = model(name);
  if (found.adapter.empty()) return found;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{} is an adapter, which chats and completions take; ask {} here", found.name,
                          found.served->names.front()),
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
  call.reply->respond({.body = to_json_text(describe(call.context, call.model_name(call.parameter)))});
}

}  // namespace pelton::routes
