#include "base/json_text.h"
#include "server/routes/routes.h"

namespace pelton::routes {

void health(const Call& call) {
  const EngineStatistics statistics = call.context.engine.statistics();
  const json::object body = {{"status", "ok"},
                             {"requests_running", statistics.running_count},
                             {"requests_waiting", statistics.waiting_count},
                             {"pages_used", statistics.pages_used},
                             {"pages_total", statistics.pages_total},
                             {"steps", statistics.step_count},
                             {"step_rows", statistics.step_row_count},
                             {"preemptions", statistics.preemption_count}};
  call.reply->respond({.body = to_json_text(body)});
}

}  // namespace pelton::routes
