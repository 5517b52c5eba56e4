#include "io/gguf_part_name.h"

#include <fmt/format.h>

namespace pelton {
namespace {

constexpr size_t kDigits = 5;

// Takes `ending` off the end; false: it isn't there.
bool take_ending(std::string_view& text, std::string_view ending) {
  if (!text.ends_with(ending)) return false;
  text.remove_suffix(ending.size());
  return true;
}

std::optional<int> take_number(std::string_view& text) {
  if (text.size() < kDigits) return std::nullopt;
  int number = 0;
  for (const char digit : text.substr(text.size() - kDigits)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + (digit - '0');
  }
  text.remove_suffix(kDigits);
  return number;
}

}  // namespace

std::optional<GgufPartName> parse_gguf_part_name(std::string_view path) {
  GgufPartName name;
  if (!take_ending(path, ".gguf")) return std::nullopt;
  const std::optional<int> count = take_number(path);
  if (!count || !take_ending(path, "-of-")) return std::nullopt;
  const std::optional<int> number = take_number(path);
  if (!number || !take_ending(path, "-")) return std::nullopt;
  return GgufPartName{path, *number, *count};
}

std::string to_string(const GgufPartName& name) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", name.stem, name.number, name.count);
}

}  // namespace pelton
