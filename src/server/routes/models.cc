#include "base/json_text.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

json::object describe(const ApiContext& context, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", context.started},
          {"owned_by", "pelton"},
          {"max_model_len", context.engine.context_length()}};
}

}  // namespace

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
