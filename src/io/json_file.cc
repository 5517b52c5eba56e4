#include "io/json_file.h"

#include <fmt/format.h>

#include <string>

#include "base/error.h"
#include "base/file.h"

namespace pelton {
namespace {

// Python's json module writes Infinity where JSON has no word for it. Outside of strings, an out-of-range number of the
// same length takes its place, so that positions in errors stay right; NaN stays an error.
void replace_python_infinity(std::string& text) {
  constexpr std::string_view kInfinity = "Infinity";
  constexpr std::string_view kOutOfRange = "1e999   ";
  bool is_in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      is_in_string = !is_in_string;
    } else if (!is_in_string && text.compare(i, kInfinity.size(), kInfinity) == 0) {
      text.replace(i, kInfinity.size(), kOutOfRange);
    }
  }
}

}  // namespace

json::object read_json_object(const std::filesystem::path& path, uint64_t bytes_max) {
  std::string text = read_file(path, bytes_max);
  replace_python_infinity(text);
  try {
    json::value value = parse_json(text, path.string(), {.depth_max = 64, .bytes_max = bytes_max});
    if (!value.is_object()) throw Error(ErrorCode::kCorruptFile, fmt::format("{}: expected an object", path.string()));
    return std::move(value.get_object());
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorruptFile, error.message());
  }
}

}  // namespace pelton
