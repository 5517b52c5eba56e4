#include "hub/download.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "hub/header_values.h"
#include "io/hub/file_lock.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kPartBytesMin = 4 << 20;
constexpr int64_t kPartBytesMax = 64 << 20;
constexpr int64_t kWorthATryBytes = 64 << 10;  // after so much, failures are counted afresh
constexpr Duration kTick = std::chrono::milliseconds(100);

// Two parts for each connection, so that none idles while the last one drags on; none so small that asking costs more
// than sending.
int64_t part_bytes_of(int64_t size_bytes, int connection_count) {
  return std::clamp(size_bytes / (2 * connection_count), kPartBytesMin, kPartBytesMax);
}

fs::path journal_path(const fs::path& partial) {
  fs::path journal = partial;
  return journal.replace_extension(".ranges");
}

// A wait that somebody else's error ended; never leaves this file.
struct Stopped {};

class Download {
 public:
  Download(const std::vector<DownloadItem>& items, const HubAccess& access, const DownloadOptions& options)
      : access_(access), options_(options), stops_(*access.stops) {
    for (const DownloadItem& item : items) {
      tasks_.emplace_back(item);
      total_bytes_ += item.size_bytes;
    }
  }

  void run(const std::function<void(const DownloadProgress&)>& on_tick) {
    const size_t part_count = tasks_.size() * 2 + static_cast<size_t>(total_bytes_ / kPartBytesMin);
    const size_t thread_count = std::min(static_cast<size_t>(options_.connection_count), part_count);
    std::vector<std::thread> threads;
    try {
      for (size_t i = 0; i < thread_count; ++i) threads.emplace_back([this] { work(); });
      std::unique_lock lock(mutex_);
      while (!is_over()) {
        changed_.wait_for(lock, kTick);
        lock.unlock();
        on_tick(progress());
        lock.lock();
      }
    } catch (...) {
      fail(std::current_exception());
    }
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
    on_tick(progress());
  }

 private:
  enum class State { kWaiting, kPreparing, kActive, kFinishing, kDone };

  struct Task {
    explicit Task(const DownloadItem& i) : item(i) {}

    const DownloadItem& item;
    // Guarded by mutex_:
    State state = State::kWaiting;
    TimePoint not_before{};  // the next try for the lock
    bool has_said_that_it_waits = false;
    bool knows_ranges = false;    // the server has sent one; until then one part at a time
    std::deque<ByteRange> parts;  // nobody's yet
    int running_count = 0;
    std::optional<Url> location;  // where the endpoint sends us; signed, for a while
    // Of whoever prepares and finishes it, with nobody else about:
    std::optional<FileLock> lock;
    std::unique_ptr<PartialFile> file;
  };

  struct Job {
    enum class Kind { kNone, kPrepare, kPart } kind = Kind::kNone;
    Task* task = nullptr;
    ByteRange part;
  };

  bool is_over() const {
    return error_ || std::all_of(tasks_.begin(), tasks_.end(), [](const Task& t) { return t.state == State::kDone; });
  }

  DownloadProgress progress() const {
    return {.done_bytes = done_bytes_,
            .total_bytes = total_bytes_,
            .transferred_bytes = transferred_bytes_,
            .unchecked_bytes = unchecked_bytes_};
  }

  void fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stops_ = true;
    changed_.notify_all();
  }

  void work() {
    try {
      HttpClient client(access_.http);
      for (Job job = next_job(); job.kind != Job::Kind::kNone; job = next_job()) {
        if (job.kind == Job::Kind::kPrepare) {
          prepare(*job.task);
        } else {
          fetch_part(client, *job.task, job.part);
          end_part(*job.task);
        }
      }
    } catch (const Stopped&) {
    } catch (...) {
      fail(std::current_exception());
    }
  }

  Job next_job() {
    std::unique_lock lock(mutex_);
    while (!is_over()) {
      for (Task& task : tasks_) {
        if (task.state != State::kActive || task.parts.empty()) continue;
        if (!task.knows_ranges && task.running_count > 0) continue;
        const ByteRange part = task.parts.front();
        task.parts.pop_front();
        ++task.running_count;
        return {Job::Kind::kPart, &task, part};
      }
      const TimePoint now = SteadyClock().now();
      for (Task& task : tasks_) {
        if (task.state != State::kWaiting || task.not_before > now) continue;
        task.state = State::kPreparing;
        return {Job::Kind::kPrepare, &task, {}};
      }
      changed_.wait_for(lock, kTick);
    }
    return {};
  }

  void set_state(Task& task, State state) {
    const std::lock_guard lock(mutex_);
    task.state = state;
    changed_.notify_all();
  }

  PartialFile::Options partial_options(const DownloadItem& item) const {
    return {.path = item.partial,
            .journal = journal_path(item.partial),
            .size_bytes = item.size_bytes,
            .identity = item.identity};
  }

  void prepare(Task& task) {
    const DownloadItem& item = task.item;
    task.lock = FileLock::try_acquire(item.lock);
    if (!task.lock) return wait_for_other(task);
    std::error_code error;
    if (fs::file_size(item.target, error) == static_cast<uintmax_t>(item.size_bytes) && !error) {
      // Another program has just put it there.
      done_bytes_ += item.size_bytes;
      return end(task);
    }
    const PartialFile::Options options = partial_options(item);
    if (!item.foreign_partial.empty()) PartialFile::adopt_prefix(options, item.foreign_partial);
    task.file = std::make_unique<PartialFile>(options);
    done_bytes_ += task.file->received_bytes();
    const auto parts = split_ranges(task.file->missing(), part_bytes_of(item.size_bytes, options_.connection_count));
    if (parts.empty()) return finish(task);
    const std::lock_guard lock(mutex_);
    task.parts.assign(parts.begin(), parts.end());
    task.state = State::kActive;
    changed_.notify_all();
  }

  // Nobody who waits for a lock holds up a file of its own: whoever else waits for that gets it in the end.
  void wait_for_other(Task& task) {
    bool is_first = false;
    {
      const std::lock_guard lock(mutex_);
      is_first = !std::exchange(task.has_said_that_it_waits, true);
      task.not_before = SteadyClock().now() + 2 * kTick;
      task.state = State::kWaiting;
    }
    if (is_first && access_.note) {
      access_.note(fmt::format("waiting for another download of {} that is under way", task.item.name));
    }
  }

  void end_part(Task& task) {
    {
      const std::lock_guard lock(mutex_);
      --task.running_count;
      changed_.notify_all();
      if (task.running_count > 0 || !task.parts.empty()) return;
      task.state = State::kFinishing;
    }
    finish(task);
  }

  void finish(Task& task) {
    const DownloadItem& item = task.item;
    CHECK(task.file->missing().empty());
    check(task);
    task.file->finish(item.target);
    task.file.reset();
    end(task);
  }

  void check(Task& task) {
    const DownloadItem& item = task.item;
    if (!item.checksum) return;
    const Checksum& expected = *item.checksum;
    unchecked_bytes_ += item.size_bytes;
    const std::string actual = compute_checksum(item.partial, expected.kind, [this](int64_t count) {
      unchecked_bytes_ -= count;
      if (stops_) throw Stopped();
    });
    if (actual == expected.hex) return;
    task.file->discard();
    throw Error(
        ErrorCode::kCorruptFile,
        fmt::format("{} came with {} {} where {} was expected; it was thrown away. Run the same command again; if "
                    "that ends the same way, something between the hub and here changes files",
                    item.name, checksum_name(expected.kind), actual, expected.hex));
  }

  void end(Task& task) {
    if (options_.on_done) {
      const std::lock_guard lock(done_mutex_);
      options_.on_done(task.item);
    }
    task.lock.reset();
    set_state(task, State::kDone);
  }

  // --- One range

  struct Attempt {
    ByteRange part;    // what is still to come; grows to the whole file where the server sends that
    int64_t recorded;  // up to here the journal has it
    std::optional<Error> error;
    std::string problem;  // with the answer; another try may help
  };

  void fetch_part(HttpClient& client, Task& task, ByteRange part) {
    RetryPolicy policy(access_.retry);
    Attempt attempt{.part = part, .recorded = part.begin};
    int64_t furthest = part.begin;  // a server without ranges goes back to the start with each try: that is no progress
    for (;;) {
      if (stops_) throw Stopped();
      attempt.problem.clear();
      const Url url = location(task);
      const Fetched fetched = ask(client, task, url, attempt);
      record(task, attempt);
      if (attempt.error) throw Error(*attempt.error);
      if (stops_) throw Stopped();
      if (attempt.part.size_bytes() == 0) return;
      if (attempt.part.begin - furthest >= kWorthATryBytes) {
        furthest = attempt.part.begin;
        policy.progressed();
      }
      const std::string why = why_not_whole(task, fetched, attempt);
      const bool has_answer = !fetched.failure && attempt.problem.empty();
      if (!wait_for_retry(access_, policy, has_answer ? &fetched.head : nullptr, why)) {
        if (stops_) throw Stopped();
        give_up(task, fetched, has_answer, why);
      }
    }
  }

  Url location(Task& task) {
    const std::lock_guard lock(mutex_);
    return task.location.value_or(task.item.url);
  }

  Fetched ask(HttpClient& client, Task& task, const Url& url, Attempt& attempt) {
    const DownloadItem& item = task.item;
    const bool is_whole = attempt.part == ByteRange{0, item.size_bytes};
    HttpFields fields;
    if (!is_whole) {
      fields.emplace_back("Range", fmt::format("bytes={}-{}", attempt.part.begin, attempt.part.end - 1));
      if (item.if_range) fields.emplace_back("If-Range", *item.if_range);
    }
    const auto take_head = [&](const HttpHead& head, const Url& final_url) {
      attempt.error = wrong_size(item, head);
      if (attempt.error || !accept(task, head, is_whole, attempt)) return false;
      // Before the others, who wait for this answer, ask the endpoint for the same.
      const std::lock_guard lock(mutex_);
      if (!final_url.has_origin_of(item.url)) task.location = final_url;
      task.knows_ranges = task.knows_ranges || head.status == 206;
      changed_.notify_all();
      return true;
    };
    const auto take_body = [&](std::span<const std::byte> bytes) { return take(task, bytes, attempt); };
    Fetched fetched = fetch(client, access_, url, fields, take_head, take_body);
    if (fetched.endpoint_head && !attempt.error) attempt.error = wrong_identity(item, *fetched.endpoint_head);
    return fetched;
  }

  // Whether the body of this answer is the part, or the whole file where that serves.
  bool accept(Task& task, const HttpHead& head, bool is_whole, Attempt& attempt) {
    if (head.status == 206 && !is_whole) {
      const auto range = parse_content_range(head.field("Content-Range").value_or(""));
      if (!range || range->begin != attempt.part.begin || range->end != attempt.part.end) {
        attempt.problem = "the server sends another range than it was asked for";
        return false;
      }
      return true;
    }
    if (head.status != 200) return false;
    if (is_whole) return true;
    const std::lock_guard lock(mutex_);
    if (task.knows_ranges) {
      attempt.problem = "the server sends the whole file where it was asked for a range";
      return false;
    }
    // It knows no ranges, and this is the only part under way: from the start.
    task.parts.clear();
    done_bytes_ -= task.file->received_bytes();
    task.file->restart();
    attempt.part = {0, task.item.size_bytes};
    attempt.recorded = 0;
    return true;
  }

  bool take(Task& task, std::span<const std::byte> bytes, Attempt& attempt) {
    const auto count = static_cast<int64_t>(bytes.size());
    if (count > attempt.part.size_bytes()) {
      attempt.error = Error(
          ErrorCode::kCorruptFile,
          fmt::format("{}: the server sends more bytes than the file has ({})", task.item.name, task.item.size_bytes));
      return false;
    }
    task.file->write(attempt.part.begin, bytes);
    attempt.part.begin += count;
    done_bytes_ += count;
    transferred_bytes_ += count;
    if (attempt.part.begin - attempt.recorded >= PartialFile::kJournalBytes) record(task, attempt);
    return !stops_;
  }

  void record(Task& task, Attempt& attempt) {
    task.file->record({attempt.recorded, attempt.part.begin});
    attempt.recorded = attempt.part.begin;
  }

  static std::optional<Error> wrong_size(const DownloadItem& item, const HttpHead& head) {
    std::optional<int64_t> size;
    if (head.status == 200) size = head.content_length;
    if (head.status == 206) {
      const auto range = parse_content_range(head.field("Content-Range").value_or(""));
      if (range) size = range->size_bytes;
    }
    if (head.field("Content-Encoding").value_or("identity") != "identity") {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("{}: the server sends it packed ({}), though it was asked not to", item.name,
                               *head.field("Content-Encoding")));
    }
    if (!size || *size == item.size_bytes) return std::nullopt;
    return Error(ErrorCode::kCorruptFile,
                 fmt::format("{} should have {} bytes, and the server has {}", item.name, item.size_bytes, *size));
  }

  // The endpoint's own word on the file, where it names one by its content.
  static std::optional<Error> wrong_identity(const DownloadItem& item, const HttpHead& head) {
    if (!item.checksum || head.status >= 400) return std::nullopt;
    const auto linked = head.field("X-Linked-Etag");
    const auto etag = linked ? linked : head.status == 200 || head.status == 206 ? head.field("ETag") : std::nullopt;
    const std::string hash = normal_etag(etag.value_or(""));
    if (!is_content_hash(hash) || hash.size() != item.checksum->hex.size() || hash == item.checksum->hex) {
      return std::nullopt;
    }
    return Error(ErrorCode::kCorruptFile,
                 fmt::format("{}: the hub lists it as {} and sends {}", item.name, item.checksum->hex, hash));
  }

  // For a note, and for the end of it. Throws what no further try can mend.
  std::string why_not_whole(Task& task, const Fetched& fetched, const Attempt& attempt) {
    const DownloadItem& item = task.item;
    if (fetched.failure) {
      if (fetched.failure->is_permanent) {
        throw Error(ErrorCode::kUnavailable, fmt::format("{}: {}", item.name, fetched.failure->message));
      }
      return fmt::format("{}: {}", item.name, fetched.failure->message);
    }
    if (!attempt.problem.empty()) return fmt::format("{}: {}", item.name, attempt.problem);
    const int status = fetched.head.status;
    if (status == 200 || status == 206) return fmt::format("{}: the server sends less than it said", item.name);
    const bool is_store = !fetched.url.has_origin_of(item.url);
    if (is_store) {
      // Signed addresses run out: ask the hub for another one.
      const std::lock_guard lock(mutex_);
      task.location.reset();
    } else if (!is_transient_status(status)) {
      throw status_error(task, fetched);
    }
    return fmt::format("{}: {} answers with status {}", item.name, authority_of(fetched.url), status);
  }

  Error status_error(const Task& task, const Fetched& fetched) const {
    const bool is_own = fetched.url.has_origin_of(task.item.url);
    if (is_own && options_.error_of_status) return options_.error_of_status(task.item, fetched.head);
    return Error(ErrorCode::kUnavailable, fmt::format("{}: {} answers with status {}", task.item.name,
                                                      authority_of(fetched.url), fetched.head.status));
  }

  [[noreturn]] void give_up(const Task& task, const Fetched& fetched, bool has_answer, const std::string& why) const {
    if (has_answer && fetched.head.status >= 400) throw status_error(task, fetched);
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("{}; {} tries in a row got nowhere. What has come is kept: run the same command again to go on",
                    why, access_.retry.retries_max + 1));
  }

  const HubAccess& access_;
  const DownloadOptions& options_;
  std::atomic<bool>& stops_;
  std::deque<Task> tasks_;
  int64_t total_bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr error_;  // the first; guarded by mutex_
  std::mutex done_mutex_;
  std::atomic<int64_t> done_bytes_{0};
  std::atomic<int64_t> transferred_bytes_{0};
  std::atomic<int64_t> unchecked_bytes_{0};
};

}  // namespace

void download(const std::vector<DownloadItem>& items, const HubAccess& access, const DownloadOptions& options,
              const std::function<void(const DownloadProgress&)>& on_tick) {
  CHECK(access.stops != nullptr && options.connection_count > 0);
  Download(items, access, options).run(on_tick);
}

void check_free_space(const fs::path& folder, int64_t needed_bytes) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return;  // then writing says it
  const auto free_bytes = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
  if (static_cast<double>(needed_bytes) <= free_bytes) return;
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  throw Error(
      ErrorCode::kResourceExhausted,
      fmt::format("{:.2f} GiB are to come into {} and {:.2f} GiB are free there; make room (`pelton list`, `pelton "
                  "rm`) or put the cache on another disk (HF_HOME)",
                  static_cast<double>(needed_bytes) / kGiB, folder.string(), free_bytes / kGiB));
}

}  // namespace pelton
