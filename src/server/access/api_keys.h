// Who may ask: a file of keys by their SHA-256, so that whoever reads the file can't use them.
//
//   {"keys": [{"name": "team-a", "sha256": "9f86d0…", "models": ["demo"], "requests_per_minute": 60,
//              "tokens_per_minute": 100000}]}
//
// A plain hash suffices because keys are random (make_api_key: 256 bits); it would not for passwords.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

struct ApiKey {
  std::string name;                            // in the log; unique
  std::string sha256;                          // of the key: 64 hexadecimal digits in lower case; unique
  std::vector<std::string> models;             // that it may ask; empty: all
  std::optional<int64_t> requests_per_minute;  // absent: no limit
  std::optional<int64_t> tokens_per_minute;    // of prompts and answers together

  friend bool operator==(const ApiKey&, const ApiKey&) = default;
};

// Error kInvalidArgument: not that form, an unknown field, a name or a hash that stands twice.
std::vector<ApiKey> parse_api_keys(std::string_view text);
json::object api_keys_to_json(const std::vector<ApiKey>& keys);

// "pelton-" and 43 characters of base64url from the system's random numbers.
std::string make_api_key();
std::string sha256_hex(std::string_view bytes);

}  // namespace pelton
