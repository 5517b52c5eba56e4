// One small answer of a server, as text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "hub/http_client.h"
#include "hub/url.h"

namespace pelton {

// GET `url` with the key, if any, as a bearer's. What is beyond `bytes_max` is left unread. Error kIo, with the
// address: no answer, or another status than 200.
std::string fetch_text(HttpClient& client, const Url& url, const std::optional<std::string>& key, size_t bytes_max);

}  // namespace pelton
