#include "server/http/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/ascii.h"
#include "server/http/http_error.h"

namespace pelton {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kBoundaryBytesMax = 70;  // RFC 2046, 5.1.1
constexpr size_t kNameBytesMax = 255;

[[noreturn]] void refuse(const std::string& reason) {
  throw HttpError(400, "bad_request", "the multipart body: " + reason);
}

std::string_view without_space(std::string_view text) { return trimmed(text, " \t"); }

// A header's value with parameters: `form-data; name="file"; filename="a.jsonl"`.
struct HeaderValue {
  std::string value;                              // in lower case
  std::map<std::string, std::string> parameters;  // names in lower case
};

class ValueReader {
 public:
  explicit ValueReader(std::string_view text) : rest_(text) {}

  HeaderValue read() {
    HeaderValue header;
    header.value = ascii_lower(without_space(take_until(";")));
    while (!rest_.empty()) {
      rest_.remove_prefix(1);  // the semicolon
      const std::string name = ascii_lower(without_space(take_until("=;")));
      if (name.empty() && rest_.empty()) break;  // a semicolon at the end
      if (rest_.empty() || rest_.front() != '=') refuse(fmt::format("the parameter \"{}\" has no value", name));
      rest_.remove_prefix(1);
      if (!header.parameters.emplace(name, take_value()).second) {
        refuse(fmt::format("the parameter \"{}\" stands twice", name));
      }
    }
    return header;
  }

 private:
  std::string_view take_until(std::string_view ends) {
    const std::string_view taken = rest_.substr(0, std::min(rest_.find_first_of(ends), rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string take_value() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    if (rest_.empty() || rest_.front() != '"') return std::string(without_space(take_until(";")));
    std::string text;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        if (!without_space(take_until(";")).empty()) refuse("something follows a quoted value");
        return text;
      }
      // Of a quotation mark or itself; browsers write %22, and what is no escape stays: names of Windows have some.
      const bool is_escape = rest_[i] == '\\' && i + 1 < rest_.size() && (rest_[i + 1] == '"' || rest_[i + 1] == '\\');
      if (is_escape) ++i;
      text += rest_[i];
    }
    refuse("a quoted value has no end");
  }

  std::string_view rest_;
};

bool is_boundary(std::string_view text) {
  constexpr std::string_view kOthers = "'()+_,-./:=? ";
  return !text.empty() && text.size() <= kBoundaryBytesMax && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  kOthers.find(c) != std::string_view::npos;
         });
}

std::string boundary_of(std::string_view content_type) {
  if (content_type.size() > 1024) refuse("its Content-Type is too long");
  const HeaderValue type = ValueReader(content_type).read();
  if (type.value != "multipart/form-data") {
    throw HttpError(415, "unsupported_media_type",
                    fmt::format("Content-Type must be multipart/form-data, not \"{}\"", type.value));
  }
  const auto boundary = type.parameters.find("boundary");
  if (boundary == type.parameters.end() || !is_boundary(boundary->second)) {
    refuse("its Content-Type has no boundary, or one that cannot be");
  }
  return boundary->second;
}

// A name as it is shown and stored: no control characters, not long.
std::string checked_name(const std::string& name, const char* what) {
  const bool is_plain = std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (!name.empty() && name.size() <= kNameBytesMax && is_plain) return name;
  refuse(fmt::format("a part's {} is empty, longer than {} bytes, or has control characters", what, kNameBytesMax));
}

void take_disposition(const HeaderValue& header, MultipartPart& part) {
  if (!part.name.empty()) refuse("a part has two headers Content-Disposition");
  if (header.value != "form-data") refuse("a part's Content-Disposition is not form-data");
  const auto name = header.parameters.find("name");
  if (name == header.parameters.end()) refuse("a part has no name");
  part.name = checked_name(name->second, "name");
  const auto file_name = header.parameters.find("filename");
  if (file_name != header.parameters.end()) part.file_name = checked_name(file_name->second, "file name");
}

// RFC 7578 wants all other headers to be let pass.
void take_header(std::string_view line, MultipartPart& part) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) refuse("a line of a part's headers has no name");
  const std::string name = ascii_lower(line.substr(0, colon));
  if (name.find_first_of(" \t") != std::string::npos) refuse("a header's name has a space");
  const std::string_view value = line.substr(colon + 1);
  if (name == "content-disposition") take_disposition(ValueReader(value).read(), part);
  if (name == "content-transfer-encoding") {
    const std::string coding = ascii_lower(without_space(value));
    if (coding != "binary" && coding != "8bit" && coding != "7bit") {
      refuse(fmt::format("the transfer encoding \"{}\" is not supported", coding));
    }
  }
}

// The headers at the front of `rest`, up to the empty line, which is taken, too.
MultipartPart take_headers(std::string_view& rest, size_t bytes_max) {
  MultipartPart part;
  const size_t size = rest.size();
  for (;;) {
    const size_t end = rest.substr(0, bytes_max).find(kLineEnd);
    if (end == std::string_view::npos || size - rest.size() + end > bytes_max) {
      refuse(fmt::format("a part's headers have no end, or are longer than {} bytes", bytes_max));
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + kLineEnd.size());
    if (line.empty()) break;
    take_header(line, part);
  }
  if (part.name.empty()) refuse("a part has no Content-Disposition");
  return part;
}

}  // namespace

std::vector<MultipartPart> parse_multipart(std::string_view content_type, std::string_view body,
                                           const MultipartLimits& limits) {
  const std::string delimiter = std::string(kLineEnd) + "--" + boundary_of(content_type);
  const std::string_view first = std::string_view(delimiter).substr(kLineEnd.size());
  if (!body.starts_with(first)) refuse("it does not begin with its boundary");
  std::string_view rest = body.substr(first.size());
  std::vector<MultipartPart> parts;
  while (rest.starts_with(kLineEnd)) {
    rest.remove_prefix(kLineEnd.size());
    if (parts.size() == limits.part_count_max) refuse(fmt::format("more than {} parts", limits.part_count_max));
    MultipartPart part = take_headers(rest, limits.header_bytes_max);
    const size_t end = rest.find(delimiter);
    if (end == std::string_view::npos) refuse(fmt::format("the part \"{}\" has no end", part.name));
    part.body = rest.substr(0, end);
    rest.remove_prefix(end + delimiter.size());
    const auto is_same = [&](const MultipartPart& other) { return other.name == part.name; };
    if (std::any_of(parts.begin(), parts.end(), is_same)) {
      refuse(fmt::format("there are two parts \"{}\"", part.name));
    }
    parts.push_back(std::move(part));
  }
  if (rest != "--" && rest != "--\r\n") refuse("a boundary is followed by something else, or the last one is missing");
  return parts;
}

}  // namespace pelton
