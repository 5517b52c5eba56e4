// The endpoints, one file each; router.cc has the list. Each throws Error or HttpError before it answers, or answers.
#pragma once

#include <memory>
#include <string>

#include "server/api_context.h"
#include "server/http/message.h"

namespace pelton::routes {

struct Call {
  const ApiContext& context;
  const HttpRequest& request;
  std::string parameter;  // what stood for "{…}" in the route's path
  std::shared_ptr<Reply> reply;
};

void health(const Call& call);
void list_models(const Call& call);
void show_model(const Call& call);
void complete_chat(const Call& call);
void complete_text(const Call& call);

}  // namespace pelton::routes
