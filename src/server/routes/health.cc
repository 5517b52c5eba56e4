#include <memory>

#include "base/json_text.h"
#include "base/version.h"
#include "server/routes/routes.h"

namespace pelton::routes {

// Alive, and what it is doing: all models that are loaded together. What only grows is the first's alone, since others
// come and go.
void health(const Call& call) {
  EngineStatistics all = call.context.models.first().engine->statistics();
  for (const std::shared_ptr<const ServedModel>& model : call.context.models.loaded()) {
    if (model.get() == &call.context.models.first()) continue;
    const EngineStatistics statistics = model->engine->statistics();
    for (const auto count : {&EngineStatistics::running_count, &EngineStatistics::waiting_count,
                             &EngineStatistics::pages_used, &EngineStatistics::pages_total}) {
      all.*count += statistics.*count;
    }
  }
  const json::object body = {{"status", "ok"},
                             {"requests_running", all.running_count},
                             {"requests_waiting", all.waiting_count},
                             {"pages_used", all.pages_used},
                             {"pages_total", all.pages_total},
                             {"steps", all.step_count},
                             {"step_rows", all.step_row_count},
                             {"preemptions", all.preemption_count}};
  call.reply->respond({.body = to_json_text(body)});
}

// Whether a balancer should send more: not while the first model's queue is full. (A server that stops listens no
// more.)
void ready(const Call& call) {
  const Engine& engine = *call.context.models.first().engine;
  const bool is_full = engine.statistics().waiting_count >= engine.options().queue_length_max;
  call.reply->respond(
      {.status = is_full ? 503 : 200, .body = to_json_text(json::object{{"status", is_full ? "full" : "ready"}})});
}

void version(const Call& call) {
  call.reply->respond({.body = to_json_text(json::object{{"version", kVersion}, {"name", "pelton"}})});
}

}  // namespace pelton::routes
