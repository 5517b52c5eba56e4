// A job of /v1/fine_tuning/jobs: what was asked for, and what became of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/openai/fine_tuning_request.h"

namespace pelton {

enum class JobStatus : uint8_t { kValidatingFiles, kQueued, kRunning, kSucceeded, kFailed, kCancelled };
std::string_view job_status_name(JobStatus status);  // "validating_files": OpenAI's
inline bool has_ended(JobStatus status) { return status >= JobStatus::kSucceeded; }

struct JobError {
  std::string code;  // of base/error.h's table
  std::string message;
  std::string parameter;  // the request's field at fault; empty: none
};

struct FineTuningJob {
  std::string id;     // "ftjob-…"
  std::string owner;  // the name of the key that made it, which alone sees it; empty: nobody's in particular
  openai::FineTuningRequest request;
  json::object base;  // what tells the model that it trains from others
  JobStatus status = JobStatus::kValidatingFiles;
  int64_t created_s = 0;  // since 1970, likewise below
  int64_t number = 0;     // of jobs in the order in which they came
  std::optional<int64_t> finished_s;
  std::optional<JobError> error;
  std::optional<std::string> model;  // what its adapter is called, once it is there
  bool is_model_deleted = false;
  std::optional<int64_t> trained_tokens;
  json::object final_metrics;  // {"step", "train_loss", "valid_loss"} of a job that succeeded
  int64_t begun_count = 0;     // times that it began without coming to an end or an orderly stop
};

// OpenAI's "fine_tuning.job".
json::object to_openai(const FineTuningJob& job);
// OpenAI's "fine_tuning.job.checkpoint" of the job's end. Of a job that succeeded.
json::object checkpoint_to_openai(const FineTuningJob& job);

// All of it, as it lies in a file. Errors: kInvalidArgument (not that form).
std::string job_to_text(const FineTuningJob& job);
FineTuningJob job_from_text(std::string_view text, std::string_view what);

// "ft:demo:support:1a2b3c4d5e6f", which can be an adapter's name whatever the base's is.
std::string tuned_model_name(const FineTuningJob& job);

}  // namespace pelton
