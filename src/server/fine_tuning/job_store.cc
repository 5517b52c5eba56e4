#include "server/fine_tuning/job_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/unix_time.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kJobBytesMax = uint64_t{1} << 20;  // request, error and all
constexpr uint64_t kEventsBytesMax = uint64_t{64} << 20;

std::string read_if_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) ? read_file(path, kEventsBytesMax) : "";
}

// The lines that are whole. What a killed process left of one more is cut off.
std::string mended_events(const fs::path& path) {
  std::string text = read_if_there(path);
  const size_t end = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  if (end == text.size()) return text;
  text.resize(end);
  replace_file(path, text);
  return text;
}

}  // namespace

JobStore::JobStore(fs::path folder) : folder_(std::move(folder), "job") {
  folder_.read_all([this](const std::string& id) {
    const fs::path path = folder_.path_of(id) / "job.json";
    Entry found{job_from_text(read_file(path, kJobBytesMax), path.string())};
    if (found.job.id != id) throw Error(ErrorCode::kCorruptFile, "it is of another job");
    const std::string events = mended_events(event_path(id));
    found.event_count = std::count(events.begin(), events.end(), '\n');
    last_number_ = std::max(last_number_, found.job.number);
    jobs_.emplace(id, std::move(found));
  });
}

FineTuningJob JobStore::add(FineTuningJob job) {
  const std::lock_guard lock(mutex_);
  job.number = ++last_number_;
  AtomicFolder folder(folder_.path_of(job.id));
  replace_file(folder.path() / "job.json", job_to_text(job));
  folder.commit();
  CHECK(jobs_.emplace(job.id, Entry{job}).second);
  return job;
}

FineTuningJob JobStore::find(std::string_view id, std::string_view owner) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && found->second.job.owner == owner) return found->second.job;
  throw Error(ErrorCode::kNotFound, fmt::format("there is no fine-tuning job \"{}\"", id));
}

std::optional<FineTuningJob> JobStore::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? std::nullopt : std::optional(found->second.job);
}

std::vector<FineTuningJob> JobStore::all() const {
  std::vector<FineTuningJob> jobs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : jobs_) jobs.push_back(entry.job);
  }
  std::sort(jobs.begin(), jobs.end(),
            [](const FineTuningJob& a, const FineTuningJob& b) { return a.number < b.number; });
  return jobs;
}

std::vector<FineTuningJob> JobStore::list(std::string_view owner) const {
  std::vector<FineTuningJob> jobs = all();
  std::erase_if(jobs, [&](const FineTuningJob& job) { return job.owner != owner; });
  std::reverse(jobs.begin(), jobs.end());
  return jobs;
}

JobStatus JobStore::status(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? JobStatus::kCancelled : found->second.job.status;
}

std::optional<std::string> JobStore::next(JobStatus status) const {
  for (const FineTuningJob& job : all()) {
    if (job.status == status) return job.id;
  }
  return std::nullopt;
}

void JobStore::write(const FineTuningJob& job) const {
  replace_file(folder_.path_of(job.id) / "job.json", job_to_text(job));
}

bool JobStore::change(std::string_view id, const std::function<bool(FineTuningJob&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return false;
  FineTuningJob changed = found->second.job;
  if (!change(changed)) return false;
  write(changed);
  found->second.job = std::move(changed);
  return true;
}

void JobStore::remove(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const fs::path doomed = folder_.retire(id);
  jobs_.erase(found);
  remove_tree(doomed);
}

void JobStore::add_event(std::string_view id, const JobEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.event_count >= kEventCountMax) return;
  const std::string digits(id.substr(id.find('-') + 1));
  const json::object object = {{"object", "fine_tuning.job.event"},
                               {"id", fmt::format("ftevent-{}-{}", digits, ++found->second.event_count)},
                               {"created_at", unix_seconds()},
                               {"level", event.level},
                               {"message", event.message},
                               {"type", event.data.empty() ? "message" : "metrics"},
                               {"data", event.data}};
  std::ofstream file(event_path(id), std::ios::binary | std::ios::app);
  file << to_json_text(object) << "\n" << std::flush;
  if (!file) log::warning(fmt::format("an event of the job {} could not be written", id));
}

std::vector<json::object> JobStore::events(std::string_view id) const {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    text = read_if_there(event_path(id));
  }
  std::vector<json::object> events;
  std::string_view rest = text;
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    events.push_back(parse_json(rest.substr(0, end), "an event").get_object());
    rest.remove_prefix(end + 1);
  }
  std::reverse(events.begin(), events.end());
  return events;
}

void JobStore::remove_output(std::string_view id) {
  remove_tree(output(id));
  remove_tree(output(id).string() + ".run");
}

}  // namespace pelton
