#include "server/fine_tuning/fine_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signal_block.h"
#include "base/unix_time.h"
#include "io/hub/file_lock.h"
#include "train/background_tuning.h"
#include "train/log_lines.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

// Of a job that did not come to an end, nor to an orderly stop: it may be what ends the process.
constexpr int64_t kBegunCountMax = 5;
constexpr int64_t kStepEventCountMax = 1000;
constexpr size_t kMessageBytesMax = 2000;
constexpr uint64_t kLogBytesMax = uint64_t{1} << 32;

// Held for as long as the process has the folder.
FileLock lock_of(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("making {}: {}", folder.string(), error.message()));
  std::optional<FileLock> lock = FileLock::try_acquire(folder / "lock");
  if (lock) return std::move(*lock);
  throw Error(ErrorCode::kInvalidArgument, fmt::format("another process finetunes in {}", folder.string()));
}

// What tells a base from another one: an adapter fits one alone.
json::object identity_of(const ModelBundle& bundle) {
  json::object identity = {{"name", bundle.path.filename().string()}};
  std::error_code is_folder;
  if (const auto bytes = fs::file_size(bundle.path, is_folder); !is_folder) identity["bytes"] = bytes;
  return identity;
}

bool is_same_base(const json::object& a, const json::object& b) {
  return json::serialize(a) == json::serialize(b);  // numbers come back from files with another sign
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

double number_in(const json::object& line, std::string_view name) { return line.at(name).to_number<double>(); }

// What a run's log says of all of it.
struct RunSummary {
  int64_t token_count = 0;
  json::object final_metrics;
};

RunSummary summary_of(const std::string& log) {
  RunSummary summary;
  for (const json::object& line : log_lines(log)) {
    if (line.contains("tokens")) {
      summary.token_count += line.at("tokens").to_number<int64_t>();
      summary.final_metrics["step"] = line.at("step");
      summary.final_metrics["train_loss"] = line.at("loss");
    }
    if (line.contains("eval_loss")) summary.final_metrics["valid_loss"] = line.at("eval_loss");
  }
  return summary;
}

}  // namespace

class FineTuning::Impl {
 public:
  Impl(Engine& engine, const FineTuningOptions& options)
      : engine_(engine),
        options_(options),
        base_(identity_of(engine.bundle())),
        lock_(lock_of(options.folder)),
        folder_(fs::canonical(options.folder)),
        files_(folder_ / "files", options.files),
        jobs_(folder_ / "jobs") {
    if (!engine.can_generate()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} generates no text, so there are no adapters for it", engine.bundle().name));
    }
    for (const FineTuningJob& job : jobs_.all()) take_up(job);
  }
  ~Impl() { stop(); }

  void start() {
    const SignalBlock block;
    validator_ = std::thread([this] { work_on(JobStatus::kValidatingFiles, &Impl::validate); });
    trainer_ = std::thread([this] { work_on(JobStatus::kQueued, &Impl::run); });
  }

  void request_stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    wake_.notify_all();
  }

  void stop() {
    request_stop();
    if (validator_.joinable()) validator_.join();
    if (trainer_.joinable()) trainer_.join();
  }

  FileStore& files() { return files_; }
  const JobStore& jobs() const { return jobs_; }

  void delete_file(std::string_view id, std::string_view owner) {
    const std::lock_guard lock(requests_);
    files_.find(id, owner);
    for (const FineTuningJob& job : jobs_.all()) {
      const bool reads = job.request.training_file == id || job.request.validation_file == id;
      if (!reads || has_ended(job.status)) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the job {} still reads the file {}; cancel it, or wait for its end", job.id, id));
    }
    files_.remove(id);
  }

  FineTuningJob create(openai::FineTuningRequest request, std::string id, std::string owner) {
    const std::lock_guard lock(requests_);
    openai::make_recipe(request);  // what it refuses, nobody should have to wait for
    files_.find(request.training_file, owner, "training_file");
    if (request.validation_file) files_.find(*request.validation_file, owner, "validation_file");
    make_room();
    FineTuningJob job;
    job.id = std::move(id);
    job.owner = std::move(owner);
    job.request = std::move(request);
    job.base = base_;
    job.created_s = unix_seconds();
    job = jobs_.add(std::move(job));
    jobs_.add_event(job.id, {.message = fmt::format("Created fine-tuning job: {}", job.id)});
    jobs_.add_event(job.id, {.message = fmt::format("Validating training file: {}", job.request.training_file)});
    log::info(fmt::format("the fine-tuning job {} was created", job.id));
    notify();
    return job;
  }

  FineTuningJob cancel(std::string_view id, std::string_view owner) {
    const FineTuningJob job = jobs_.find(id, owner);
    const bool is_cancelled = jobs_.change(id, [](FineTuningJob& changed) {
      if (has_ended(changed.status)) return false;
      changed.status = JobStatus::kCancelled;
      changed.finished_s = unix_seconds();
      return true;
    });
    if (!is_cancelled) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the job {} has ended: it is {}", id, job_status_name(jobs_.status(id))));
    }
    jobs_.add_event(id, {.message = "The job was cancelled"});
    return jobs_.find(id, owner);
  }

  void delete_model(std::string_view name, std::string_view owner) {
    for (const FineTuningJob& job : jobs_.list(owner)) {
      if (job.model != name || job.is_model_deleted) continue;
      jobs_.change(job.id, [](FineTuningJob& changed) { return !std::exchange(changed.is_model_deleted, true); });
      unload(*job.model);
      jobs_.remove_output(job.id);
      log::info(fmt::format("the model {} was deleted", name));
      return;
    }
    throw Error(ErrorCode::kNotFound, fmt::format("there is no fine-tuned model \"{}\" of this owner", name), "model");
  }

 private:
  // --- after a start

  void take_up(const FineTuningJob& job) {
    if (job.status == JobStatus::kSucceeded && !job.is_model_deleted) return load_again(job);
    if (has_ended(job.status)) return;
    if (!is_same_base(job.base, base_)) {
      return fail(job.id, Error(ErrorCode::kInvalidArgument,
                                "the server was started again with another model than the job was created for"));
    }
    if (job.status != JobStatus::kRunning) return;
    jobs_.change(job.id, [](FineTuningJob& changed) {
      changed.status = JobStatus::kQueued;
      return true;
    });
    jobs_.add_event(job.id, {.message = "The server was started again; the job goes on from its last checkpoint"});
  }

  void load_again(const FineTuningJob& job) {
    try {
      if (!is_same_base(job.base, base_)) throw Error(ErrorCode::kInvalidArgument, "it is of another base");
      engine_.load_adapter(*job.model, jobs_.output(job.id));
    } catch (...) {
      log::warning(fmt::format("the model {} is not there: {}", job.model.value_or(job.id), current_error().message()));
    }
  }

  // --- a thread's work

  void work_on(JobStatus status, void (Impl::*work)(const FineTuningJob&)) {
    while (const std::optional<std::string> id = wait_for(status)) {
      try {
        if (const std::optional<FineTuningJob> job = jobs_.find(*id)) (this->*work)(*job);
      } catch (...) {
        fail(*id, current_error());
      }
    }
  }

  // The oldest job in that state; absent: time to stop.
  std::optional<std::string> wait_for(JobStatus status) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (is_stopping_) return std::nullopt;
      const uint64_t seen = news_count_;
      lock.unlock();
      std::optional<std::string> id = jobs_.next(status);
      lock.lock();
      if (id) return is_stopping_ ? std::nullopt : id;
      wake_.wait(lock, [&] { return is_stopping_ || news_count_ != seen; });
    }
  }

  void notify() {
    {
      const std::lock_guard lock(mutex_);
      ++news_count_;
    }
    wake_.notify_all();
  }

  void validate(const FineTuningJob& job) {
    check_in_background(tuning_of(job));
    const bool is_queued = jobs_.change(job.id, [](FineTuningJob& changed) {
      if (changed.status != JobStatus::kValidatingFiles) return false;
      changed.status = JobStatus::kQueued;
      return true;
    });
    if (!is_queued) return;
    jobs_.add_event(job.id, {.message = "Files validated, moving job to queued state"});
    notify();
  }

  void run(const FineTuningJob& job) {
    if (job.begun_count >= kBegunCountMax) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("the server ended {} times while the job ran, which is not tried again", kBegunCountMax));
    }
    count_begin(job.id, job.begun_count + 1);
    if (fs::exists(jobs_.output(job.id))) return publish(job);  // all that was left to do
    step_event_interval_ = 1;
    const std::vector<json::object> events = jobs_.events(job.id);
    last_step_shown_ = last_step_in(events, "train_loss");
    last_evaluation_shown_ = last_step_in(events, "valid_loss");
    if (tune_in_background(tuning_of(job), SteadyClock())) return;
    if (jobs_.status(job.id) == JobStatus::kCancelled) return jobs_.remove_output(job.id);
    count_begin(job.id, 0);
    log::info(fmt::format("the fine-tuning job {} was stopped, and goes on at the next start", job.id));
  }

  void count_begin(std::string_view id, int64_t count) {
    jobs_.change(id, [&](FineTuningJob& changed) {
      changed.begun_count = count;
      return true;
    });
  }

  // --- one run

  BackgroundTuning tuning_of(const FineTuningJob& job) {
    TuneRecipe recipe = openai::make_recipe(job.request);
    recipe.model = engine_.bundle().path.string();
    recipe.data = {files_.path(files_.find(job.request.training_file, job.owner, "training_file").id).string()};
    if (job.request.validation_file) {
      recipe.eval_data = {
          files_.path(files_.find(*job.request.validation_file, job.owner, "validation_file").id).string()};
    }
    recipe.output = jobs_.output(job.id).string();
    BackgroundTuning tuning;
    // The engine keeps its bundle for as long as it lives, which is longer than this.
    tuning.bundle = std::shared_ptr<const ModelBundle>(std::shared_ptr<const ModelBundle>(), &engine_.bundle());
    tuning.recipe = std::move(recipe);
    tuning.listener = listener_of(job);
    tuning.on_beginning = [this, id = job.id](const TuneSize& size) { begin(id, size); };
    tuning.on_output = [this, job] { publish(job); };
    tuning.is_busy = [this] {
      const EngineStatistics statistics = engine_.statistics();
      return statistics.running_count + statistics.waiting_count > 0;
    };
    return tuning;
  }

  TuneListener listener_of(const FineTuningJob& job) {
    const std::string id = job.id;
    return {.on_note = [this, job](const std::string& note) { jobs_.add_event(job.id, {.message = shown(job, note)}); },
            .on_step = [this, id](const json::object& line, int64_t count) { show_step(id, line, count); },
            .on_evaluation = [this, id](const json::object& line) { show_evaluation(id, line); },
            .on_samples = [](const json::object&) {},
            .wants_stop = [this, id] { return is_stopping_ || jobs_.status(id) != JobStatus::kRunning; }};
  }

  void begin(const std::string& id, const TuneSize& size) {
    const bool is_running = jobs_.change(id, [](FineTuningJob& changed) {
      if (changed.status != JobStatus::kQueued) return false;
      changed.status = JobStatus::kRunning;
      return true;
    });
    if (!is_running) throw Error(ErrorCode::kCancelled, "cancelled before its first step");
    step_event_interval_ = std::max<int64_t>(1, size.step_count / kStepEventCountMax);
    jobs_.add_event(id, {.message = fmt::format("Fine-tuning job started: {} records, {} tokens, {} steps",
                                                size.record_count, size.token_count, size.step_count)});
  }

  // What a resumed run does again comes to the same numbers, and stands there already.
  static int64_t last_step_in(const std::vector<json::object>& events, std::string_view metric) {
    for (const json::object& event : events) {
      const json::object& data = event.at("data").as_object();
      if (data.contains(metric)) return data.at("step").to_number<int64_t>();
    }
    return 0;
  }

  void show_step(const std::string& id, const json::object& line, int64_t step_count) {
    const int64_t step = line.at("step").as_int64();
    const bool is_due = step == 1 || step == step_count || step % step_event_interval_ == 0;
    if (step <= last_step_shown_ || !is_due) return;
    last_step_shown_ = step;
    const double loss = number_in(line, "loss");
    jobs_.add_event(id, {.message = fmt::format("Step {}/{}: training loss={:.4f}", step, step_count, loss),
                         .data = {{"step", step},
                                  {"total_steps", step_count},
                                  {"train_loss", loss},
                                  {"learning_rate", number_in(line, "learning_rate")},
                                  {"tokens_per_second", number_in(line, "tokens_per_second")}}});
  }

  void show_evaluation(const std::string& id, const json::object& line) {
    const int64_t step = line.at("step").as_int64();
    if (step <= last_evaluation_shown_) return;
    last_evaluation_shown_ = step;
    jobs_.add_event(id, {.message = fmt::format("Step {}: validation loss={:.4f}", step, number_in(line, "eval_loss")),
                         .data = {{"step", step}, {"valid_loss", number_in(line, "eval_loss")}}});
  }

  // --- its end

  void publish(const FineTuningJob& job) {
    const std::string name = tuned_model_name(job);
    engine_.load_adapter(name, jobs_.output(job.id));
    const RunSummary summary = summary_of(read_file(jobs_.output(job.id) / "log.jsonl", kLogBytesMax));
    const bool is_published = jobs_.change(job.id, [&](FineTuningJob& changed) {
      if (has_ended(changed.status)) return false;
      changed.status = JobStatus::kSucceeded;
      changed.finished_s = unix_seconds();
      changed.model = name;
      changed.trained_tokens = summary.token_count;
      changed.final_metrics = summary.final_metrics;
      changed.begun_count = 0;
      return true;
    });
    if (!is_published) {  // cancelled after its last step
      unload(name);
      return jobs_.remove_output(job.id);
    }
    jobs_.add_event(job.id, {.message = fmt::format("New fine-tuned model created: {}", name)});
    jobs_.add_event(job.id, {.message = "The job has successfully completed"});
    log::info(fmt::format("the fine-tuning job {} is done: the model {} answers", job.id, name));
  }

  void unload(const std::string& name) {
    try {
      engine_.unload_adapter(name);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;  // gone already, by /v1/unload_lora_adapter
    }
  }

  // Any thread that works on it. Does not throw.
  void fail(const std::string& id, const Error& error) {
    try {
      const std::optional<FineTuningJob> job = jobs_.find(id);
      if (!job) return;
      const bool is_bug = error.code() == ErrorCode::kInternal;
      const std::string message = is_bug ? "internal error; the server's log says more"
                                         : shown(*job, error.message()).substr(0, kMessageBytesMax);
      const bool is_failed = jobs_.change(id, [&](FineTuningJob& changed) {
        if (has_ended(changed.status)) return false;
        changed.status = JobStatus::kFailed;
        changed.finished_s = unix_seconds();
        changed.error = JobError{std::string(error_code_info(error.code()).name), message, error.parameter()};
        return true;
      });
      if (is_failed) {
        jobs_.add_event(id, {.level = "error", .message = message});
        log::warning(fmt::format("the fine-tuning job {} failed: {}", id, error.message()));
      }
      jobs_.remove_output(id);
    } catch (...) {
      log::error(fmt::format("the end of the job {} could not be written: {}", id, current_error().message()));
    }
  }

  // A message as clients may read it: files by the names that they gave, and no folders of this machine.
  std::string shown(const FineTuningJob& job, std::string message) const {
    for (const StoredFile& file : files_.list(job.owner)) {
      replace_all(message, files_.path(file.id).string(), file.name);
    }
    replace_all(message, folder_.string() + "/", "");
    return message;
  }

  // Oldest jobs without a model go where there are too many. With requests_.
  void make_room() {
    const std::vector<FineTuningJob> all = jobs_.all();
    const auto is_open = [](const FineTuningJob& job) { return !has_ended(job.status); };
    const auto open_count = std::count_if(all.begin(), all.end(), is_open);
    if (open_count >= options_.queue_length_max) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("{} jobs wait or run already; try again when one has ended", open_count));
    }
    if (all.size() < options_.job_count_max) return;
    const auto is_spent = [](const FineTuningJob& job) {
      return has_ended(job.status) && (!job.model || job.is_model_deleted);
    };
    const auto oldest = std::find_if(all.begin(), all.end(), is_spent);
    if (oldest == all.end()) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("{} jobs are kept with their models, and no more are; delete a model", all.size()));
    }
    jobs_.remove(oldest->id);
  }

  Engine& engine_;
  const FineTuningOptions options_;
  const json::object base_;
  const FileLock lock_;
  const fs::path folder_;
  FileStore files_;
  JobStore jobs_;
  std::mutex requests_;  // one at a time creates jobs, or deletes files that jobs may read

  // Of the run that is in progress; of whichever thread does its work.
  int64_t step_event_interval_ = 1;
  int64_t last_step_shown_ = 0;
  int64_t last_evaluation_shown_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> is_stopping_ = false;
  uint64_t news_count_ = 0;  // with mutex_
  std::thread validator_;
  std::thread trainer_;
};

FineTuning::FineTuning(Engine& engine, const FineTuningOptions& options)
    : impl_(std::make_unique<Impl>(engine, options)) {}
FineTuning::~FineTuning() = default;
void FineTuning::start() { impl_->start(); }
void FineTuning::request_stop() { impl_->request_stop(); }
void FineTuning::stop() { impl_->stop(); }
FileStore& FineTuning::files() { return impl_->files(); }
void FineTuning::delete_file(std::string_view id, std::string_view owner) { impl_->delete_file(id, owner); }

FineTuningJob FineTuning::create(openai::FineTuningRequest request, std::string id, std::string owner) {
  return impl_->create(std::move(request), std::move(id), std::move(owner));
}

std::vector<FineTuningJob> FineTuning::jobs(std::string_view owner) const { return impl_->jobs().list(owner); }

FineTuningJob FineTuning::find(std::string_view id, std::string_view owner) const {
  return impl_->jobs().find(id, owner);
}

std::vector<json::object> FineTuning::events(std::string_view id, std::string_view owner) const {
  impl_->jobs().find(id, owner);
  return impl_->jobs().events(id);
}

FineTuningJob FineTuning::cancel(std::string_view id, std::string_view owner) { return impl_->cancel(id, owner); }

void FineTuning::delete_model(std::string_view name, std::string_view owner) { impl_->delete_model(name, owner); }

}  // namespace pelton
