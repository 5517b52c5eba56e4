// Lets requests in: by key, within the key's limits. Safe from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "server/access/api_keys.h"
#include "server/access/rate_limit.h"
#include "server/http/message.h"

namespace pelton {

// Whoever asks with one key.
class Caller {
 public:
  Caller(ApiKey key, std::shared_ptr<const Clock> clock);

  const ApiKey& key() const { return key_; }
  bool may_ask(const std::string& model) const;
  // Counts a request. Error HttpError 429 with Retry-After: too many requests, or too many tokens by those before.
  void admit();
  void charge_tokens(int64_t count);

 private:
  const ApiKey key_;
  const std::shared_ptr<const Clock> clock_;
  std::mutex mutex_;  // guards what follows
  std::optional<RateLimit> requests_;
  std::optional<RateLimit> tokens_;
};

struct AccessOptions {
  std::optional<std::filesystem::path> key_file;  // absent: everybody may ask
  std::vector<std::string> open_paths;            // that need no key even so: "/health"
  std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
};

class Access {
 public:
  // Errors: those of read_file and parse_api_keys; kInvalidArgument (no key in the file).
  explicit Access(AccessOptions options);

  // Reads the file again. A key that did not change keeps its count. Errors as above; then all stays as it is.
  void reload();
  bool needs_keys() const { return options_.key_file.has_value(); }
  // Whose request this is; null: nobody's in particular. Errors: HttpError 401 (no key, an unknown one), 429.
  std::shared_ptr<Caller> admit(const HttpRequest& request);

 private:
  using Callers = std::unordered_map<std::string, std::shared_ptr<Caller>>;  // by the key's hash

  const AccessOptions options_;
  std::mutex mutex_;  // guards callers_
  Callers callers_;
};

}  // namespace pelton
