// The adapters that requests may name, which come and go while requests run.
//
// A request holds its adapter from when it is submitted until it has ended. Unloading takes the name away at once: no
// new request finds it, those that hold it end with it, and then its memory is free. Another adapter may take the name
// meanwhile; what was computed with the old one is not mistaken for its own (PreparedAdapter::number).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/prepared_adapter.h"
#include "ops/linear.h"

namespace pelton {

struct ServedAdapter {
  ServedAdapter(std::string adapter_name, std::filesystem::path adapter_path, PreparedAdapter adapter)
      : name(std::move(adapter_name)), path(std::move(adapter_path)), prepared(std::move(adapter)) {}

  const std::string name;
  const std::filesystem::path path;
  const PreparedAdapter prepared;
  mutable std::atomic<int64_t> waiting_count = 0;  // requests that hold it, by what they do
  mutable std::atomic<int64_t> running_count = 0;
};

// One request's hold. A copy is another's, in the same state.
class AdapterUse {
 public:
  AdapterUse() = default;
  // Waiting. Null: of no adapter.
  explicit AdapterUse(std::shared_ptr<const ServedAdapter> adapter);
  AdapterUse(const AdapterUse& other);
  AdapterUse(AdapterUse&& other) noexcept = default;
  AdapterUse& operator=(AdapterUse other) noexcept;
  ~AdapterUse();

  void start();  // it runs
  const PreparedAdapter* prepared() const { return adapter_ == nullptr ? nullptr : &adapter_->prepared; }
  // 0: none.
  uint64_t number() const { return adapter_ == nullptr ? 0 : adapter_->prepared.number(); }

 private:
  std::atomic<int64_t>& count() const { return is_running_ ? adapter_->running_count : adapter_->waiting_count; }

  std::shared_ptr<const ServedAdapter> adapter_;
  bool is_running_ = false;
};

struct AdapterInfo {
  std::string name;
  std::filesystem::path path;
  int64_t rank_max = 0;
  int64_t size_bytes = 0;
  int64_t waiting_count = 0;  // requests
  int64_t running_count = 0;
};

// All functions are safe from any thread.
class AdapterSet {
 public:
  // base: null: nothing can be loaded. At most `count_max` adapters at once.
  AdapterSet(std::shared_ptr<const Model> base, ActivationType activations, int64_t count_max)
      : base_(std::move(base)), activations_(activations), count_max_(count_max) {}

  // Reads the files on the calling thread. Errors: those of read_adapter(); kInvalidArgument (a name that is none, or
  // is taken), kResourceExhausted (there are count_max), kUnsupported (the base generates no text).
  void load(const std::string& name, const std::filesystem::path& path);
  // How many requests still hold it. Error kNotFound.
  int64_t unload(const std::string& name);
  // Null: there is none of this name.
  std::shared_ptr<const ServedAdapter> find(std::string_view name) const;
  std::vector<AdapterInfo> list() const;  // by name

 private:
  void check_free(const std::string& name) const;  // with mutex_

  const std::shared_ptr<const Model> base_;
  const ActivationType activations_;
  const int64_t count_max_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ServedAdapter>, std::less<>> adapters_;
};

// Error kInvalidArgument, parameter "lora_name": what `model` in a request could not say, or what looks like a way
// through folders.
void validate_adapter_name(std::string_view name);

}  // namespace pelton
