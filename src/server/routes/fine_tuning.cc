// OpenAI's /v1/fine_tuning/jobs, and the models that come of them.
#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "server/openai/fine_tuning_request.h"
#include "server/openai/list_query.h"
#include "server/routes/fine_tuning_access.h"

namespace pelton::routes {
namespace {

// What has an id in its path and nothing in its body.
void check_no_body(const HttpRequest& request) {
  if (request.body.empty()) return;
  const json::value body = parse_json(request.body, "body");
  JsonReader::of(body, "").refuse_others({});
}

Start answer_with_page(const Call& call, const std::vector<json::object>& all) {
  return answer_with(call, openai::list_answer(openai::page_of(all, openai::parse_list_query(call.request.query))));
}

}  // namespace

Start prepare_create_job(const Call& call) {
  FineTuning& fine_tuning = fine_tuning_of(call);
  openai::FineTuningRequest request = openai::parse_fine_tuning_request(call.request.body);
  const std::string model = call.model_name(request.model);
  const ServedModel& first = call.context.models.first();
  if (!first.is_named(model)) {
    throw Error(ErrorCode::kUnsupported, fmt::format("jobs train {} here, not {}", first.names.front(), model),
                "model");
  }
  return answer_with(call, to_openai(fine_tuning.create(std::move(request), new_id("ftjob-"), owner_of(call))));
}

Start prepare_list_jobs(const Call& call) {
  std::vector<json::object> jobs;
  for (const FineTuningJob& job : fine_tuning_of(call).jobs(owner_of(call))) jobs.push_back(to_openai(job));
  return answer_with_page(call, jobs);
}

Start prepare_show_job(const Call& call) {
  return answer_with(call, to_openai(fine_tuning_of(call).find(call.parameter, owner_of(call))));
}

Start prepare_job_events(const Call& call) {
  return answer_with_page(call, fine_tuning_of(call).events(call.parameter, owner_of(call)));
}

Start prepare_job_checkpoints(const Call& call) {
  const FineTuningJob job = fine_tuning_of(call).find(call.parameter, owner_of(call));
  std::vector<json::object> checkpoints;
  if (job.status == JobStatus::kSucceeded) checkpoints.push_back(checkpoint_to_openai(job));
  return answer_with_page(call, checkpoints);
}

Start prepare_cancel_job(const Call& call) {
  FineTuning& fine_tuning = fine_tuning_of(call);
  check_no_body(call.request);
  return answer_with(call, to_openai(fine_tuning.cancel(call.parameter, owner_of(call))));
}

Start prepare_pause_job(const Call& call) {
  fine_tuning_of(call).find(call.parameter, owner_of(call));
  throw Error(ErrorCode::kUnsupported,
              "jobs are not paused here: they give way to requests by themselves, and go on after a stop of the "
              "server");
}

Start prepare_delete_model(const Call& call) {
  FineTuning& fine_tuning = fine_tuning_of(call);
  if (call.context.models.has(call.parameter)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} is a model that is served, and is not deleted", call.parameter), "model");
  }
  fine_tuning.delete_model(call.parameter, owner_of(call));
  return answer_with(call, {{"id", call.parameter}, {"object", "model"}, {"deleted", true}});
}

}  // namespace pelton::routes
