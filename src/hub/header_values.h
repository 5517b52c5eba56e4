// What stands in the headers that hubs and their stores send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pelton {

// The name of a blob: W/"x" and "x" are x (as huggingface_hub reads them).
std::string normal_etag(std::string_view etag);

// Git's SHA-1 or a SHA-256 in hexadecimal, lower case.
bool is_content_hash(std::string_view text);

// The address of `rel="next"` in a Link header (RFC 8288); nothing: there is none.
std::optional<std::string> next_link(std::string_view link);

// "bytes 0-99/1234".
struct ContentRange {
  int64_t begin;
  int64_t end;  // exclusive
  int64_t size_bytes;
};
// Nothing: of another form, with an unknown size ("*"), or contradicting itself.
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace pelton
