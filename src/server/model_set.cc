#include "server/model_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/log.h"

namespace pelton {
namespace {

// How often somebody looks: nothing tells when an answer lets go of its model.
constexpr Duration kRoomInterval = std::chrono::milliseconds(10);
constexpr Duration kIdleInterval = std::chrono::seconds(1);

Error stopping() { return Error(ErrorCode::kUnavailable, "the server stops"); }

}  // namespace

// Those that come and go.
class ModelSet::Others {
 public:
  Others(const ServedModel& first, std::vector<ModelOnDemand> models, const ModelSetOptions& options)
      : options_(options) {
    for (ModelOnDemand& model : models) {
      if (first.is_named(model.name) || find(model.name) != nullptr) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("two models are called {}", model.name));
      }
      if (model.bytes > options.bytes_max) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("the model {} takes {}, and those that are loaded on demand may have {} together",
                                model.name, format_byte_size(model.bytes), format_byte_size(options.bytes_max)));
      }
      entries_.push_back({.model = std::move(model)});
    }
    if (!entries_.empty() && options.idle_max) unloader_ = std::thread([this] { unload_until_stop(); });
  }

  ~Others() { stop(); }

  std::vector<ModelStatus> list() const {
    const std::lock_guard lock(mutex_);
    std::vector<ModelStatus> statuses;
    for (const Entry& entry : entries_) {
      const char* state = entry.served != nullptr ? "loaded" : entry.is_loading ? "loading" : "unloaded";
      statuses.push_back({.name = entry.model.name, .context_length = entry.model.context_length, .state = state});
    }
    return statuses;
  }

  bool has(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return find(name) != nullptr;
  }

  std::shared_ptr<const ServedModel> find_loaded(const std::string& name) {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(name);
    return entry != nullptr && entry->served != nullptr && !is_short_of_room_ ? use(*entry) : nullptr;
  }

  std::shared_ptr<const ServedModel> load(const std::string& name, const IsWanted& is_wanted) {
    std::unique_lock lock(mutex_);
    Entry* const entry = find(name);
    if (entry == nullptr) return nullptr;
    if (entry->served != nullptr && !is_short_of_room_) return use(*entry);
    const Wait wait{.model = entry->model, .end = options_.clock->now() + options_.wait_max, .is_wanted = is_wanted};
    const Turn turn(*this, wait, lock);
    if (entry->served == nullptr) load(*entry, wait, lock);
    return use(*entry);
  }

  std::vector<std::shared_ptr<const ServedModel>> loaded() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<const ServedModel>> models;
    for (const Entry& entry : entries_) {
      if (entry.served != nullptr) models.push_back(entry.served);
    }
    return models;
  }

  void unload_idle() {
    std::unique_lock lock(mutex_);
    const TimePoint now = options_.clock->now();
    for (Entry& entry : entries_) {
      if (entry.served == nullptr) continue;
      if (entry.is_busy()) {
        entry.last_used = now;
      } else if (options_.idle_max && now - entry.last_used >= *options_.idle_max) {
        unload(entry, lock, "nobody asked for it any more");
      }
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
      changed_.notify_all();
    }
    if (unloader_.joinable()) unloader_.join();
  }

 private:
  struct Entry {
    ModelOnDemand model;
    std::shared_ptr<const ServedModel> served;  // null: it is not there
    TimePoint last_used{};
    bool is_loading = false;

    // Copies are made with the mutex alone, or from copies: who holds the only one keeps it so.
    bool is_busy() const { return served.use_count() > 1; }
  };

  // Of one who waits.
  struct Wait {
    const ModelOnDemand& model;
    TimePoint end;
    const IsWanted& is_wanted;
  };

  // A place in the line of those who load, or wait behind who needs room; at its front once it is there. Entered and
  // left with the mutex.
  class Turn {
   public:
    Turn(Others& others, const Wait& wait, std::unique_lock<std::mutex>& lock)
        : others_(others), ticket_(others.next_ticket_++) {
      others_.line_.push_back(ticket_);
      try {
        while (others_.line_.front() != ticket_) others_.wait_a_moment(wait, lock);
      } catch (...) {
        leave();
        throw;
      }
    }
    ~Turn() { leave(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    void leave() {
      std::erase(others_.line_, ticket_);
      others_.changed_.notify_all();
    }

    Others& others_;
    const uint64_t ticket_;
  };

  // While whoever is at the front waits for memory.
  class ShortOfRoom {
   public:
    explicit ShortOfRoom(bool& flag) : flag_(flag) { flag_ = true; }
    ~ShortOfRoom() { flag_ = false; }
    ShortOfRoom(const ShortOfRoom&) = delete;
    ShortOfRoom& operator=(const ShortOfRoom&) = delete;

   private:
    bool& flag_;
  };

  Entry* find(const std::string& name) {
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.model.name == name; });
    return found == entries_.end() ? nullptr : &*found;
  }

  std::shared_ptr<const ServedModel> use(Entry& entry) {
    entry.last_used = options_.clock->now();
    return entry.served;
  }

  // Until something changes, or for a while. Errors: those of load() but the model's own.
  void wait_a_moment(const Wait& wait, std::unique_lock<std::mutex>& lock) {
    if (options_.clock->now() >= wait.end) throw no_room(wait.model);
    changed_.wait_for(lock, kRoomInterval);
    if (is_stopping_) throw stopping();
    if (wait.is_wanted && !wait.is_wanted()) throw Error(ErrorCode::kCancelled, "nobody waits for the answer");
  }

  void load(Entry& entry, const Wait& wait, std::unique_lock<std::mutex>& lock) {
    const int64_t bytes = entry.model.bytes;
    if (is_stopping_) throw stopping();
    make_room(wait, lock);
    held_bytes_ += bytes;
    entry.is_loading = true;
    lock.unlock();
    const TimePoint start = SteadyClock().now();
    std::shared_ptr<const ServedModel> served;
    try {
      served = entry.model.load();
    } catch (...) {
      lock.lock();
      entry.is_loading = false;
      held_bytes_ -= bytes;
      throw;
    }
    const Duration took = SteadyClock().now() - start;
    lock.lock();
    entry.is_loading = false;
    entry.served = std::move(served);
    log::info(fmt::format("the model {} was loaded in {:.2f} s; those on demand have {} of {}", entry.model.name,
                          seconds(took), format_byte_size(held_bytes_), format_byte_size(options_.bytes_max)));
  }

  void make_room(const Wait& wait, std::unique_lock<std::mutex>& lock) {
    while (held_bytes_ + wait.model.bytes > options_.bytes_max) {
      if (Entry* const idle = longest_idle()) {
        unload(*idle, lock, fmt::format("{} needs its memory", wait.model.name));
        continue;
      }
      const ShortOfRoom shortage(is_short_of_room_);
      wait_a_moment(wait, lock);
    }
  }

  Error no_room(const ModelOnDemand& model) const {
    std::string busy;
    for (const Entry& entry : entries_) {
      if (entry.served != nullptr) busy += (busy.empty() ? "" : ", ") + entry.model.name;
    }
    return Error(ErrorCode::kUnavailable,
                 fmt::format("the model {} takes {}; of {} for models on demand {} are used by others that are busy "
                             "({}); try again later",
                             model.name, format_byte_size(model.bytes), format_byte_size(options_.bytes_max),
                             format_byte_size(held_bytes_), busy));
  }

  Entry* longest_idle() {
    Entry* oldest = nullptr;
    for (Entry& entry : entries_) {
      if (entry.served == nullptr || entry.is_busy()) continue;
      if (oldest == nullptr || entry.last_used < oldest->last_used) oldest = &entry;
    }
    return oldest;
  }

  // Of one that nobody holds. The mutex is free while the engine ends, and its memory counts until it has.
  void unload(Entry& entry, std::unique_lock<std::mutex>& lock, const std::string& reason) {
    std::shared_ptr<const ServedModel> served = std::move(entry.served);
    entry.served = nullptr;
    entry.model.metrics->set_gone(served->engine->statistics());
    lock.unlock();
    served.reset();
    log::info(fmt::format("the model {} was unloaded: {}", entry.model.name, reason));
    lock.lock();
    held_bytes_ -= entry.model.bytes;
    changed_.notify_all();
  }

  void unload_until_stop() {
    for (;;) {
      unload_idle();
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, kIdleInterval, [this] { return is_stopping_; })) return;
    }
  }

  const ModelSetOptions options_;
  mutable std::mutex mutex_;         // guards what follows
  std::condition_variable changed_;  // the line, memory, stopping
  std::deque<Entry> entries_;        // stay where they are
  std::deque<uint64_t> line_;
  uint64_t next_ticket_ = 0;
  int64_t held_bytes_ = 0;  // of what is loaded, being loaded or being unloaded
  bool is_short_of_room_ = false;
  bool is_stopping_ = false;
  std::thread unloader_;
};

ModelSet::ModelSet(std::shared_ptr<const ServedModel> first, std::vector<ModelOnDemand> others,
                   const ModelSetOptions& options)
    : first_(std::move(first)), others_(std::make_unique<Others>(*first_, std::move(others), options)) {}
ModelSet::~ModelSet() {
  stop();
  // Requests that have not ended hold their model, and with it the engine that holds them.
  for (const std::shared_ptr<const ServedModel>& model : loaded()) model->engine->stop();
}

bool ModelSet::has(const std::string& name) const { return first_->is_named(name) || others_->has(name); }

std::vector<ModelStatus> ModelSet::list() const {
  std::vector<ModelStatus> statuses;
  for (const std::string& name : first_->names) {
    statuses.push_back({.name = name, .context_length = first_->engine->context_length()});
  }
  for (ModelStatus& status : others_->list()) statuses.push_back(std::move(status));
  return statuses;
}

std::shared_ptr<const ServedModel> ModelSet::find_loaded(const std::string& name) {
  return first_->is_named(name) ? first_ : others_->find_loaded(name);
}

std::shared_ptr<const ServedModel> ModelSet::load(const std::string& name, const IsWanted& is_wanted) {
  return first_->is_named(name) ? first_ : others_->load(name, is_wanted);
}

std::vector<std::shared_ptr<const ServedModel>> ModelSet::loaded() const {
  std::vector<std::shared_ptr<const ServedModel>> models = others_->loaded();
  models.insert(models.begin(), first_);
  return models;
}

void ModelSet::unload_idle() { others_->unload_idle(); }
void ModelSet::stop() { others_->stop(); }

}  // namespace pelton
