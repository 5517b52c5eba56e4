// Finetuning in the server's own process: files come, jobs train on them beside the answers, and each adapter that is
// finished answers at once.
//
//   validating_files → queued → running → succeeded | failed | cancelled
//
// One thread looks at the data of jobs that are new, another trains, one job at a time, the oldest first. Both leave
// the computing to threads of the lowest priority (train/background_tuning.h). What an orderly stop interrupts goes on
// from its checkpoint at the next start, and so does what kill -9 did. Public functions: any thread.
//
// Each owner (the name of an API key; empty where there are no keys) sees their own files and jobs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/fine_tuning/file_store.h"
#include "server/fine_tuning/job_store.h"

namespace pelton {

struct FineTuningOptions {
  std::filesystem::path folder;   // made if it is not there; held by one process at a time
  int64_t queue_length_max = 16;  // jobs that have not ended
  size_t job_count_max = 1000;    // that are kept; the oldest of those without a model make room
  FileStoreLimits files;
};

class FineTuning {
 public:
  // Finds files and jobs again, and loads finished adapters into the engine, which outlives this. Errors: kUnsupported
  // (the model generates no text), kInvalidArgument (another process has the folder), those of the stores.
  FineTuning(Engine& engine, const FineTuningOptions& options);
  // stop().
  ~FineTuning();
  FineTuning(const FineTuning&) = delete;
  FineTuning& operator=(const FineTuning&) = delete;

  // From here on jobs are worked on.
  void start();
  // A job that runs stops after its step, with a checkpoint. request_stop() does not wait for that.
  void request_stop();
  void stop();

  FileStore& files();
  // Errors: those of FileStore::remove(); kNotFound; kInvalidArgument (a job still reads it).
  void delete_file(std::string_view id, std::string_view owner);

  // `id` is new. Errors: those of make_recipe(); kNotFound (a file); kResourceExhausted (too many jobs wait, or are
  // kept).
  FineTuningJob create(openai::FineTuningRequest request, std::string id, std::string owner);
  std::vector<FineTuningJob> jobs(std::string_view owner) const;                        // the newest first
  FineTuningJob find(std::string_view id, std::string_view owner) const;                // error kNotFound
  std::vector<json::object> events(std::string_view id, std::string_view owner) const;  // likewise; the newest first
  // What runs stops within a step. Errors: kNotFound; kInvalidArgument (it has ended).
  FineTuningJob cancel(std::string_view id, std::string_view owner);
  // The adapter leaves the engine, and its folder. Errors: kNotFound (no job of this owner made it), kIo.
  void delete_model(std::string_view name, std::string_view owner);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
