#include "hub/pull_access.h"

#include <fmt/format.h>

namespace pelton {

HubAccess make_access(const HubEnvironment& environment, const PullOptions& options, PullObserver& observer,
                      std::atomic<bool>& stops) {
  HubAccess access;
  try {
    access.endpoint = parse_url(environment.endpoint);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("HF_ENDPOINT: {}", error.message()));
  }
  access.token = hub_token(environment);
  access.http.silence_max = environment.silence_max;
  access.http.trust = load_tls_trust();
  access.http.proxy_for = [](const Url& url) { return proxy_of_environment(url, process_environment); };
  access.http.stops = &stops;
  access.retry.retries_max = options.retries_max;
  access.note = [&observer](const std::string& note) { observer.on_note(note); };
  access.stops = &stops;
  return access;
}

}  // namespace pelton
