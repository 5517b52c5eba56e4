// The jobs and what happened to them: FOLDER/ID/ with job.json, which is replaced whole at every change, and
// events.jsonl, which grows. The run's own folder and the finished adapter lie beside them. After a restart, however
// the process ended, all is found again. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/fine_tuning/entry_folder.h"
#include "server/fine_tuning/job.h"

namespace pelton {

struct JobEvent {
  std::string level = "info";  // "info", "warn", "error"
  std::string message;
  json::object data = {};  // of a step: {"step", "total_steps", "train_loss" or "valid_loss", …}; empty: a message
};

class JobStore {
 public:
  static constexpr int64_t kEventCountMax = 5000;  // of a job; more are dropped

  // Makes the folder if it is not there; removes what was never finished. Errors: kIo; kCorruptFile (what is known of a
  // job cannot be read; named).
  explicit JobStore(std::filesystem::path folder);

  // With an id that is new. Error kIo.
  FineTuningJob add(FineTuningJob job);
  // Error kNotFound: there is none of this owner.
  FineTuningJob find(std::string_view id, std::string_view owner) const;
  // Whosever it is; absent: it is gone.
  std::optional<FineTuningJob> find(std::string_view id) const;
  std::vector<FineTuningJob> list(std::string_view owner) const;  // the newest first
  std::vector<FineTuningJob> all() const;                         // the oldest first
  JobStatus status(std::string_view id) const;                    // of one that is gone: cancelled
  // The oldest in that state; absent: there is none.
  std::optional<std::string> next(JobStatus status) const;
  // Calls `change`, and writes what it left, or does not where it says false; gives what it said. False: the job is
  // gone. Error kIo.
  bool change(std::string_view id, const std::function<bool(FineTuningJob&)>& change);
  // With all that lies in its folder. Error kIo.
  void remove(std::string_view id);

  // As far as it can be written.
  void add_event(std::string_view id, const JobEvent& event);
  // OpenAI's "fine_tuning.job.event", the newest first.
  std::vector<json::object> events(std::string_view id) const;

  // Where a job's adapter will be.
  std::filesystem::path output(std::string_view id) const { return folder_.path_of(id) / "adapter"; }
  // Removes it, and what of a run is there. Error kIo.
  void remove_output(std::string_view id);

 private:
  struct Entry {
    FineTuningJob job;
    int64_t event_count = 0;
  };
  void write(const FineTuningJob& job) const;
  std::filesystem::path event_path(std::string_view id) const { return folder_.path_of(id) / "events.jsonl"; }

  const EntryFolder folder_;
  mutable std::mutex mutex_;  // guards what follows, and the files
  std::map<std::string, Entry, std::less<>> jobs_;
  int64_t last_number_ = 0;
};

}  // namespace pelton
