#include "base/json_text.h"
#include "base/version.h"
#include "server/routes/routes.h"

namespace pelton::routes {

// Alive, and what it is doing.
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

// Whether a balancer should send more: not while the queue is full. (A server that stops listens no more.)
void ready(const Call& call) {
  const Engine& engine = call.context.engine;
  const bool is_full = engine.statistics().waiting_count >= engine.options().queue_length_max;
  call.reply->respond(
      {.status = is_full ? 503 : 200, .body = to_json_text(json::object{{"status", is_full ? "full" : "ready"}})});
}

void version(const Call& call) {
  call.reply->respond({.body = to_json_text(json::object{{"version", kVersion}, {"name", "pelton"}})});
}

}  // namespace pelton::routes
