#include "server/access/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "server/http/http_error.h"

namespace pelton {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{16} << 20;

void refuse_while(const std::optional<Duration>& wait, int64_t per_minute, const char* unit) {
  if (!wait) return;
  HttpError error(
      429, "rate_limit_exceeded",
      fmt::format("this key may use {} {} a minute; try again in {:.1f} s", per_minute, unit, seconds(*wait)));
  error.set_retry_after(*wait);
  throw error;
}

HttpError unauthorized(const char* message) {
  HttpError error(401, "invalid_api_key", message);
  error.add_header("WWW-Authenticate", "Bearer");
  return error;
}

}  // namespace

Caller::Caller(ApiKey key, std::shared_ptr<const Clock> clock) : key_(std::move(key)), clock_(std::move(clock)) {
  const TimePoint now = clock_->now();
  if (key_.requests_per_minute) requests_.emplace(*key_.requests_per_minute, now);
  if (key_.tokens_per_minute) tokens_.emplace(*key_.tokens_per_minute, now);
}

bool Caller::may_ask(const std::string& model) const {
  return key_.models.empty() || std::find(key_.models.begin(), key_.models.end(), model) != key_.models.end();
}

void Caller::admit() {
  const TimePoint now = clock_->now();
  const std::lock_guard lock(mutex_);
  if (requests_) refuse_while(requests_->wait_for(1, now), *key_.requests_per_minute, "requests");
  if (tokens_) refuse_while(tokens_->wait_for(1, now), *key_.tokens_per_minute, "tokens");
  if (requests_) requests_->take(1, now);
}

void Caller::charge_tokens(int64_t count) {
  const std::lock_guard lock(mutex_);
  if (tokens_) tokens_->take(count, clock_->now());
}

Access::Access(AccessOptions options) : options_(std::move(options)) { reload(); }

void Access::reload() {
  if (!options_.key_file) return;
  const std::vector<ApiKey> keys = parse_api_keys(read_file(*options_.key_file, kFileBytesMax));
  if (keys.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} holds no key: nobody could ask", options_.key_file->string()), "keys");
  }
  const std::lock_guard lock(mutex_);
  Callers callers;
  for (const ApiKey& key : keys) {
    const auto known = callers_.find(key.sha256);
    const bool is_same = known != callers_.end() && known->second->key() == key;
    callers[key.sha256] = is_same ? known->second : std::make_shared<Caller>(key, options_.clock);
  }
  callers_ = std::move(callers);
}

std::shared_ptr<Caller> Access::admit(const HttpRequest& request) {
  if (!needs_keys()) return nullptr;
  const std::vector<std::string>& open = options_.open_paths;
  if (std::find(open.begin(), open.end(), request.path) != open.end()) return nullptr;
  if (request.credential.empty()) {
    throw unauthorized("an API key is needed: Authorization: Bearer KEY, or x-api-key: KEY");
  }
  // Looked up by its hash: how long that takes says nothing of the keys that there are.
  const std::string hash = sha256_hex(request.credential);
  std::shared_ptr<Caller> caller;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = callers_.find(hash);
    if (entry == callers_.end()) throw unauthorized("this API key is not known here");
    caller = entry->second;
  }
  caller->admit();
  return caller;
}

}  // namespace pelton
