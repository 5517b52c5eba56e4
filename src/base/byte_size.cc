#include "base/byte_size.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <string>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::string_view kUnits = "KMGT";
constexpr double kBytesMax = 4611686018427387904.0;  // 2^62

}  // namespace

int64_t parse_byte_size(std::string_view text) {
  const Error malformed(ErrorCode::kUsage,
                        fmt::format("\"{}\" is no size; write bytes, or a number with K, M, G or T, as in 512M", text));
  double count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count, std::chars_format::fixed);
  if (error != std::errc()) throw malformed;
  std::string unit;
  for (char letter : text.substr(static_cast<size_t>(end - text.data()))) {
    unit += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  if (!unit.empty() && unit != "B") {
    const size_t power = kUnits.find(unit.front());
    const std::string_view rest = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "B" && rest != "IB")) throw malformed;
    for (size_t i = 0; i <= power; ++i) count *= 1024;
  }
  if (!(count >= 1 && count <= kBytesMax)) throw malformed;
  return static_cast<int64_t>(count);
}

std::string format_byte_size(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double count = static_cast<double>(bytes);
  size_t unit = 0;
  for (count /= 1024; count >= 1024 && unit + 1 < kUnits.size(); ++unit) count /= 1024;
  return fmt::format("{:.1f} {}iB", count, kUnits[unit]);
}

}  // namespace pelton
