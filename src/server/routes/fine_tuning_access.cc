#include "server/routes/fine_tuning_access.h"

#include "base/json_text.h"
#include "server/http/http_error.h"

namespace pelton::routes {

FineTuning& fine_tuning_of(const Call& call) {
  if (call.context.fine_tuning == nullptr) {
    throw HttpError(403, "forbidden", "this server finetunes nothing; start it with --fine-tuning DIR");
  }
  if (call.caller != nullptr && !call.caller->key().models.empty()) {
    throw HttpError(403, "forbidden", "a key that is for some models only uploads no files and finetunes nothing");
  }
  return *call.context.fine_tuning;
}

std::string owner_of(const Call& call) { return call.caller == nullptr ? "" : call.caller->key().name; }

Start answer_with(const Call& call, const json::object& body) {
  return [reply = call.reply, text = to_json_text(body)]() mutable { reply->respond({.body = std::move(text)}); };
}

}  // namespace pelton::routes
