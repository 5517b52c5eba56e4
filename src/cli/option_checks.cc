#include "cli/option_checks.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/byte_size.h"
#include "base/error.h"
#include "cli/printable.h"

namespace pelton::cli {
namespace {

constexpr size_t kShownBytesMax = 60;

std::optional<double> finite_number(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

}  // namespace

std::string positive_number_problem(const std::string& text) {
  const std::optional<double> number = finite_number(text);
  if (number && *number > 0) return {};
  return fmt::format("must be a finite number above 0, got \"{}\"", one_line(text, kShownBytesMax));
}

std::string number_problem(const std::string& text, double max) {
  const std::optional<double> number = finite_number(text);
  if (number && *number >= 0 && *number <= max) return {};
  return fmt::format("must be a number from 0 to {}, got \"{}\"", max, one_line(text, kShownBytesMax));
}

std::string name_problem(const std::string& text) {
  if (!text.empty() && one_line(text, text.size()) == text) return {};
  return fmt::format("must be a name of visible characters, got \"{}\"", one_line(text, kShownBytesMax));
}

std::string problem_of(const std::function<void()>& read) {
  try {
    read();
    return {};
  } catch (const Error& error) {
    return error.message();
  }
}

std::string byte_size_problem(const std::string& text) {
  return problem_of([&] { parse_byte_size(text); });
}

}  // namespace pelton::cli
