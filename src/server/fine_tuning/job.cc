#include "server/fine_tuning/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/json_text.h"

namespace pelton {
namespace {

constexpr int64_t kNumberMax = int64_t{1} << 53;

constexpr std::array<std::pair<JobStatus, std::string_view>, 6> kStatusNames = {{
    {JobStatus::kValidatingFiles, "validating_files"},
    {JobStatus::kQueued, "queued"},
    {JobStatus::kRunning, "running"},
    {JobStatus::kSucceeded, "succeeded"},
    {JobStatus::kFailed, "failed"},
    {JobStatus::kCancelled, "cancelled"},
}};

JobStatus status_of(const JsonReader& reader) {
  const std::string name = reader.string("status").value_or("");
  for (const auto& [status, text] : kStatusNames) {
    if (text == name) return status;
  }
  reader.fail("status", "a job's status");
}

template <typename T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value_from(*value) : json::value(nullptr);
}

json::value to_json(const std::optional<JobError>& error) {
  if (!error) return nullptr;
  return {{"code", error->code},
          {"message", error->message},
          {"param", error->parameter.empty() ? json::value(nullptr) : json::value(json::string(error->parameter))}};
}

std::optional<JobError> error_of(const JsonReader& reader) {
  const json::object* fields = reader.object("error");
  if (fields == nullptr) return std::nullopt;
  const JsonReader error(*fields, "error");
  return JobError{error.string("code").value_or(""), error.string("message").value_or(""),
                  error.string("param").value_or("")};
}

json::object object_of(const JsonReader& reader, std::string_view name) {
  const json::object* found = reader.object(name);
  return found == nullptr ? json::object() : *found;
}

std::string_view method_name(openai::TuningMethod method) {
  return method == openai::TuningMethod::kDpo ? "dpo" : "supervised";
}

}  // namespace

std::string_view job_status_name(JobStatus status) {
  for (const auto& [known, text] : kStatusNames) {
    if (known == status) return text;
  }
  PELTON_UNREACHABLE();
}

json::object to_openai(const FineTuningJob& job) {
  const openai::FineTuningRequest& request = job.request;
  const json::object parameters = openai::hyperparameters_of(request);
  const std::string_view method = method_name(request.method);
  json::object object = {{"object", "fine_tuning.job"},
                         {"id", job.id},
                         {"model", request.model},
                         {"created_at", job.created_s},
                         {"finished_at", or_null(job.finished_s)},
                         {"fine_tuned_model", or_null(job.model)},
                         {"organization_id", "pelton"},
                         {"result_files", json::array()},
                         {"status", job_status_name(job.status)},
                         {"training_file", request.training_file},
                         {"validation_file", or_null(request.validation_file)},
                         {"hyperparameters", parameters},
                         {"trained_tokens", or_null(job.trained_tokens)},
                         {"error", to_json(job.error)},
                         {"user_provided_suffix", or_null(request.suffix)},
                         {"seed", request.seed.value_or(0)},
                         {"estimated_finish", nullptr},
                         {"integrations", json::array()},
                         {"metadata", request.metadata}};
  json::object of_method = {{"type", method}};
  of_method[method] = json::object{{"hyperparameters", parameters}};
  object["method"] = std::move(of_method);
  if (const json::value* recipe = request.body.if_contains("recipe")) object["recipe"] = *recipe;
  return object;
}

json::object checkpoint_to_openai(const FineTuningJob& job) {
  const json::value* step = job.final_metrics.if_contains("step");
  return {{"object", "fine_tuning.job.checkpoint"},
          {"id", fmt::format("ftckpt-{}", job.id.substr(job.id.find('-') + 1))},
          {"created_at", job.finished_s.value_or(job.created_s)},
          {"fine_tuned_model_checkpoint", or_null(job.model)},
          {"fine_tuning_job_id", job.id},
          {"metrics", job.final_metrics},
          {"step_number", step == nullptr ? json::value(0) : *step}};
}

std::string job_to_text(const FineTuningJob& job) {
  json::object object = {{"id", job.id},
                         {"owner", job.owner},
                         {"base", job.base},
                         {"status", job_status_name(job.status)},
                         {"created_at", job.created_s},
                         {"number", job.number},
                         {"finished_at", or_null(job.finished_s)},
                         {"error", to_json(job.error)},
                         {"fine_tuned_model", or_null(job.model)},
                         {"model_deleted", job.is_model_deleted},
                         {"trained_tokens", or_null(job.trained_tokens)},
                         {"final_metrics", job.final_metrics},
                         {"begun_count", job.begun_count},
                         {"request", job.request.body}};
  return to_json_text(object) + "\n";
}

FineTuningJob job_from_text(std::string_view text, std::string_view what) {
  const json::value parsed = parse_json(text, what);
  const JsonReader reader = JsonReader::of(parsed, "");
  FineTuningJob job;
  job.id = reader.string("id").value_or("");
  job.owner = reader.string("owner").value_or("");
  job.base = object_of(reader, "base");
  job.status = status_of(reader);
  job.created_s = reader.integer("created_at", 0, kNumberMax).value_or(0);
  job.number = reader.integer("number", 0, kNumberMax).value_or(0);
  job.finished_s = reader.integer("finished_at", 0, kNumberMax);
  job.error = error_of(reader);
  job.model = reader.string("fine_tuned_model");
  job.is_model_deleted = reader.boolean("model_deleted").value_or(false);
  job.trained_tokens = reader.integer("trained_tokens", 0, kNumberMax);
  job.final_metrics = object_of(reader, "final_metrics");
  job.begun_count = reader.integer("begun_count", 0, kNumberMax).value_or(0);
  job.request = openai::parse_fine_tuning_request(to_json_text(object_of(reader, "request")));
  return job;
}

std::string tuned_model_name(const FineTuningJob& job) {
  constexpr size_t kBaseBytesMax = 32;  // an adapter's name may have 128
  constexpr size_t kIdBytes = 12;
  std::string base = job.request.model.substr(0, kBaseBytesMax);
  for (char& c : base) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    if (!is_plain) c = '-';
  }
  const std::string digits = job.id.substr(job.id.find('-') + 1);
  const std::string suffix = job.request.suffix ? *job.request.suffix + ":" : "";
  return fmt::format("ft:{}:{}{}", base, suffix, digits.substr(0, kIdBytes));
}

}  // namespace pelton
