// From a request's method and path to its route; errors become replies here and nowhere else.
#pragma once

#include <memory>

#include "server/api_context.h"
#include "server/http/message.h"

namespace pelton {

// Never throws.
void dispatch(const ApiContext& context, const HttpRequest& request, const std::shared_ptr<Reply>& reply);

}  // namespace pelton
