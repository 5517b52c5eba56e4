#include "engine/service_level.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "base/error.h"

namespace pelton {
namespace {

constexpr double kMsMax = 3'600'000;
constexpr int64_t kRowsMax = 1 << 20;

// "500ms", "1.5s".
std::optional<Duration> parse_duration(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit != "ms" && unit != "s") return std::nullopt;
  const double ms = unit == "s" ? value * 1000 : value;
  if (!(ms > 0) || ms > kMsMax) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}

// Rows at `row_ms` that fit into `ms`.
int64_t rows_in(double ms, double row_ms) {
  if (ms <= 0) return 0;
  if (row_ms * static_cast<double>(kRowsMax) <= ms) return kRowsMax;
  return static_cast<int64_t>(ms / row_ms);
}

}  // namespace

ServiceLevel parse_service_level(std::string_view text) {
  std::optional<Duration> ttft;
  std::optional<Duration> tpot;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    std::optional<Duration>* target = nullptr;
    if (part.starts_with("ttft=")) target = &ttft;
    if (part.starts_with("tpot=")) target = &tpot;
    if (target != nullptr && !target->has_value()) *target = parse_duration(part.substr(5));
  }
  if (!ttft || !tpot || std::count(text.begin(), text.end(), ',') != 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the service level must look like \"ttft=500ms,tpot=60ms\", got \"{}\"", text), "slo");
  }
  return {*ttft, *tpot};
}

int64_t decode_rows_max(const ServiceLevel& level, const StepTimes& times) {
  const double left = milliseconds(level.tpot) - times.estimate_ms({.prompt_rows = kPromptRowsMin});
  return std::max<int64_t>(1, rows_in(left, times.decode_row_ms));
}

int64_t prompt_rows_max(const ServiceLevel& level, const StepTimes& times, int64_t decode_rows, int64_t most) {
  if (decode_rows == 0) return most;
  const double left = milliseconds(level.tpot) - times.estimate_ms({.decode_rows = decode_rows});
  return std::min(most, std::max(kPromptRowsMin, rows_in(left, times.prompt_row_ms)));
}

Duration time_to_compute(const StepTimes& times, int64_t prompt_rows, int64_t chunk_rows, int64_t decode_rows) {
  const int64_t step_count = (prompt_rows + chunk_rows - 1) / chunk_rows;
  const double ms = static_cast<double>(step_count) * times.estimate_ms({.decode_rows = decode_rows}) +
                    static_cast<double>(prompt_rows) * times.prompt_row_ms;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace pelton
