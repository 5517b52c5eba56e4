// The models that a server answers by. The first is there all the time; others are loaded when a request names them,
// and unloaded when another needs their memory or nobody has asked for a while.
//
//   auto model = models.load("embedder");   // waits until it is there
//   model->engine->submit(…);               // and holds it as long as it answers
//
// Loading takes turns. Who finds no memory waits for models that are busy, and those who ask for such a one then wait
// behind: nobody waits for ever. Public functions: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "server/served_model.h"

namespace pelton {

struct ModelOnDemand {
  std::string name;
  int64_t context_length = 0;
  int64_t bytes = 0;  // what it takes while it is loaded, at most: weights, keys and values
  std::shared_ptr<Metrics> metrics;
  // Takes as long as it takes, on the thread of who asks. What it throws, load() throws.
  std::function<std::shared_ptr<const ServedModel>()> load;
};

struct ModelSetOptions {
  int64_t bytes_max = 0;                                        // of all that are loaded on demand
  std::optional<Duration> idle_max = std::chrono::minutes(10);  // absent: stays until its memory is needed
  Duration wait_max = std::chrono::seconds(60);                 // for busy models to make room
  std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
};

struct ModelStatus {
  std::string name;
  int64_t context_length = 0;
  const char* state = "loaded";  // or "unloaded", "loading"
};

class ModelSet {
 public:
  using IsWanted = std::function<bool()>;  // any thread; null: always

  // Errors kInvalidArgument: two models of one name; one that takes more than bytes_max.
  explicit ModelSet(std::shared_ptr<const ServedModel> first, std::vector<ModelOnDemand> others = {},
                    const ModelSetOptions& options = {});
  // stop(), and that of all engines.
  ~ModelSet();
  ModelSet(const ModelSet&) = delete;
  ModelSet& operator=(const ModelSet&) = delete;

  const ServedModel& first() const { return *first_; }
  // Whether a model is called so, loaded or not; adapters are none.
  bool has(const std::string& name) const;
  // The names of the first, then of the others.
  std::vector<ModelStatus> list() const;
  // Null: load() would have to wait, or no model has this name.
  std::shared_ptr<const ServedModel> find_loaded(const std::string& name);
  // Null: no model has this name. `is_wanted` is asked now and then while it waits for its turn. Errors: those of the
  // model's load(); kUnavailable (busy models, and those who were here before, leave no room within wait_max; the
  // server stops), kCancelled (it is not wanted any more).
  std::shared_ptr<const ServedModel> load(const std::string& name, const IsWanted& is_wanted = nullptr);
  // Those that are there now.
  std::vector<std::shared_ptr<const ServedModel>> loaded() const;
  // Unloads what nobody has asked for since idle_max; else that happens within a second or so.
  void unload_idle();
  // Who waits, and who asks from now on for a model that is not there, gets kUnavailable.
  void stop();

 private:
  class Others;
  std::shared_ptr<const ServedModel> first_;
  std::unique_ptr<Others> others_;
};

}  // namespace pelton
