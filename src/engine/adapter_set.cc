#include "engine/adapter_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "model/model.h"

namespace pelton {
namespace {

constexpr size_t kNameBytesMax = 128;

bool is_name_letter(unsigned char letter) {
  constexpr std::string_view kOthers = "._-:@/";
  return std::isalnum(letter) != 0 || kOthers.find(static_cast<char>(letter)) != std::string_view::npos;
}

// Whether a part between slashes is empty, or begins with a dot.
bool has_odd_part(std::string_view name) {
  while (true) {
    const size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part.front() == '.') return true;
    if (slash == std::string_view::npos) return false;
    name.remove_prefix(slash + 1);
  }
}

}  // namespace

void validate_adapter_name(std::string_view name) {
  if (name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), is_name_letter) && !has_odd_part(name)) {
    return;
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("an adapter's name has 1 to {} letters, digits and . _ - : @ /, and no part of it begins with "
                  "a dot",
                  kNameBytesMax),
      "lora_name");
}

AdapterUse::AdapterUse(std::shared_ptr<const ServedAdapter> adapter) : adapter_(std::move(adapter)) {
  if (adapter_ != nullptr) ++count();
}

AdapterUse::AdapterUse(const AdapterUse& other) : adapter_(other.adapter_), is_running_(other.is_running_) {
  if (adapter_ != nullptr) ++count();
}

AdapterUse& AdapterUse::operator=(AdapterUse other) noexcept {
  std::swap(adapter_, other.adapter_);
  std::swap(is_running_, other.is_running_);
  return *this;
}

AdapterUse::~AdapterUse() {
  if (adapter_ != nullptr) --count();
}

void AdapterUse::start() {
  if (adapter_ == nullptr || is_running_) return;
  --count();
  is_running_ = true;
  ++count();
}

void AdapterSet::check_free(const std::string& name) const {
  if (adapters_.contains(name)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("an adapter \"{}\" is loaded already; unload it first, or choose another name", name),
                "lora_name");
  }
  if (static_cast<int64_t>(adapters_.size()) >= count_max_) {
    throw Error(ErrorCode::kResourceExhausted,
                fmt::format("{} adapters are loaded, and no more are allowed; unload one first", count_max_));
  }
}

void AdapterSet::load(const std::string& name, const std::filesystem::path& path) {
  validate_adapter_name(name);
  if (base_ == nullptr || base_->spec.is_encoder) {
    throw Error(ErrorCode::kUnsupported, "adapters are for models that generate text", "model");
  }
  {
    const std::lock_guard lock(mutex_);
    check_free(name);
  }
  // Takes its time, in which requests go on.
  auto served = std::make_shared<const ServedAdapter>(
      name, path, PreparedAdapter(*base_, read_adapter(path, *base_), activations_));
  const std::lock_guard lock(mutex_);
  check_free(name);
  adapters_.emplace(name, std::move(served));
}

int64_t AdapterSet::unload(const std::string& name) {
  std::shared_ptr<const ServedAdapter> gone;  // its memory, if it is the last hold, is freed without the lock
  {
    const std::lock_guard lock(mutex_);
    const auto found = adapters_.find(name);
    if (found == adapters_.end()) {
      throw Error(ErrorCode::kNotFound, fmt::format("no adapter \"{}\" is loaded", name), "lora_name");
    }
    gone = std::move(found->second);
    adapters_.erase(found);
  }
  return gone->waiting_count + gone->running_count;
}

std::shared_ptr<const ServedAdapter> AdapterSet::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = adapters_.find(name);
  return found == adapters_.end() ? nullptr : found->second;
}

std::vector<AdapterInfo> AdapterSet::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<AdapterInfo> all;
  for (const auto& [name, adapter] : adapters_) {
    all.push_back({.name = name,
                   .path = adapter->path,
                   .rank_max = adapter->prepared.rank_max(),
                   .size_bytes = adapter->prepared.size_bytes(),
                   .waiting_count = adapter->waiting_count,
                   .running_count = adapter->running_count});
  }
  return all;
}

}  // namespace pelton
