#include "server/metrics/metrics.h"

#include <memory>

#include "server/routes/routes.h"

namespace pelton::routes {

// One page for all models. Those that are not loaded have their sums on it.
void metrics(const Call& call) {
  for (const std::shared_ptr<const ServedModel>& model : call.context.models.loaded()) {
    model->metrics->set(model->engine->statistics(), model->engine->adapters());
  }
  call.reply->respond({.body = call.context.models.first().metrics->text(), .content_type = Metrics::kContentType});
}

}  // namespace pelton::routes
