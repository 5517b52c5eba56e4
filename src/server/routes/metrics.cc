#include "server/metrics/metrics.h"

#include "server/routes/routes.h"

namespace pelton::routes {

void metrics(const Call& call) {
  call.reply->respond(
      {.body = call.context.metrics.text(call.context.engine.statistics(), call.context.engine.adapters()),
       .content_type = Metrics::kContentType});
}

}  // namespace pelton::routes
