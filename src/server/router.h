// From a request's method and path to its route; errors become replies here and nowhere else. What takes long happens
// on the context's workers, so that the thread that reads requests is free for the next one.
#pragma once

#include <memory>

#include "server/api_context.h"
#include "server/http/message.h"

namespace pelton {

// Never throws. On the reply's strand; `context` outlives its workers' jobs.
void dispatch(const ApiContext& context, HttpRequest request, const std::shared_ptr<Reply>& reply);

}  // namespace pelton
