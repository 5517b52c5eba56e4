// The body of a form with files: multipart/form-data (RFC 7578 over RFC 2046), as clients of OpenAI's /v1/files send
// it.
//
// Strict and bounded: what could be read in two ways is refused. Nothing before the first part or behind the last,
// CRLF everywhere, each part with one name that no other part has.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pelton {

struct MultipartPart {
  std::string name;
  std::optional<std::string> file_name;  // as the client calls it, not a path of ours; absent: a plain field
  std::string_view body;                 // of the request's body, which must live as long
};

struct MultipartLimits {
  size_t part_count_max = 16;
  size_t header_bytes_max = 4096;  // of a part's headers, all together
};

// content_type: the request's, with its boundary. Errors: HttpError 415 (another type), 400 (no such boundary, a body
// that is not of this form, a part without a name, a coding of a part's body).
std::vector<MultipartPart> parse_multipart(std::string_view content_type, std::string_view body,
                                           const MultipartLimits& limits = {});

}  // namespace pelton
