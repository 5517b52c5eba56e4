#include "load/load_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "report/text_table.h"

namespace pelton {
namespace {

constexpr double kMetShare = 0.9;
constexpr double kWorthwhileShare = 0.5;

Duration parse_duration(std::string_view text, std::string_view whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc() || !(value > 0) || value > 1e9 || (unit != "ms" && unit != "s")) {
    throw Error(ErrorCode::kUsage, fmt::format("\"{}\": \"{}\" is no time like 500ms or 2s", whole, text));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(unit == "ms" ? value / 1000 : value));
}

int64_t answer_tokens_of(const LoadOutcome& outcome) {
  return outcome.answer_token_count.value_or(static_cast<int64_t>(outcome.pieces.size()));
}

// Absent: fewer than two tokens.
std::optional<Duration> output_token_time(const LoadOutcome& outcome) {
  const int64_t count = answer_tokens_of(outcome);
  if (count < 2 || outcome.pieces.size() < 2) return std::nullopt;
  return (outcome.pieces.back() - outcome.pieces.front()) / (count - 1);
}

bool is_good(const LoadOutcome& outcome, const LoadObjective& objective) {
  if (!outcome.is_ok()) return false;
  const Duration first = outcome.pieces.empty() ? outcome.end : outcome.pieces.front();
  return (!objective.first_token || first <= *objective.first_token) &&
         (!objective.output_token ||
          output_token_time(outcome).value_or(Duration::zero()) <= *objective.output_token) &&
         (!objective.total || outcome.end <= *objective.total);
}

json::object to_json(const Percentiles& times) {
  return {{"count", times.count}, {"mean", times.mean}, {"p50", times.p50}, {"p90", times.p90},
          {"p95", times.p95},     {"p99", times.p99},   {"max", times.max}};
}

json::object to_json(const LoadPoint& point) {
  const LoadSummary& summary = point.summary;
  json::object object;
  if (point.rate) object["rate"] = *point.rate;
  if (point.client_count) object["clients"] = *point.client_count;
  object["requests"] = summary.request_count;
  object["failed"] = summary.failed_count;
  json::object errors;
  for (const auto& [error, count] : summary.errors) errors[error] = count;
  object["errors"] = std::move(errors);
  object["duration_s"] = summary.duration_s;
  object["prompt_tokens"] = summary.prompt_token_count;
  object["answer_tokens"] = summary.answer_token_count;
  object["requests_per_minute"] = 60 * summary.per_second(summary.request_count - summary.failed_count);
  object["prompt_tokens_per_second"] = summary.per_second(summary.prompt_token_count);
  object["answer_tokens_per_second"] = summary.answer_tokens_per_second();
  object["ttft_ms"] = to_json(summary.first_token);
  object["tpot_ms"] = to_json(summary.output_token);
  object["itl_ms"] = to_json(summary.inter_token);
  object["e2e_ms"] = to_json(summary.total);
  object["good"] = summary.good_count;
  object["goodput_per_second"] = summary.per_second(summary.good_count);
  object["attainment"] = summary.attainment();
  return object;
}

std::string load_of(const LoadPoint& point) {
  return point.rate ? fmt::format("{:g}/s", *point.rate) : fmt::format("{}", point.client_count.value_or(0));
}

json::value objective_time(const std::optional<Duration>& time) {
  return time ? json::value(milliseconds(*time)) : json::value();
}

}  // namespace

LoadObjective parse_objective(std::string_view text) {
  LoadObjective objective;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest = part.size() < rest.size() ? rest.substr(part.size() + 1) : std::string_view();
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const Duration time = parse_duration(part.substr(std::min(equals + 1, part.size())), text);
    if (name == "ttft") {
      objective.first_token = time;
    } else if (name == "tpot") {
      objective.output_token = time;
    } else if (name == "e2e") {
      objective.total = time;
    } else {
      throw Error(ErrorCode::kUsage, fmt::format("\"{}\": not of the form ttft=TIME,tpot=TIME,e2e=TIME", text));
    }
  }
  return objective;
}

Percentiles percentiles_of(std::vector<double> milliseconds) {
  Percentiles result;
  if (milliseconds.empty()) return result;
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto count = static_cast<double>(milliseconds.size());
  const auto at = [&](double share) {
    const auto rank = static_cast<size_t>(std::ceil(share * count));
    return milliseconds[std::max<size_t>(rank, 1) - 1];
  };
  result.count = static_cast<int64_t>(milliseconds.size());
  result.mean = std::accumulate(milliseconds.begin(), milliseconds.end(), 0.0) / count;
  result.p50 = at(0.50);
  result.p90 = at(0.90);
  result.p95 = at(0.95);
  result.p99 = at(0.99);
  result.max = milliseconds.back();
  return result;
}

LoadSummary summarise(std::span<const LoadOutcome> outcomes, const LoadObjective& objective) {
  LoadSummary summary;
  std::vector<double> first, output, between, total;
  Duration begin = Duration::max();
  Duration end = Duration::zero();
  for (const LoadOutcome& outcome : outcomes) {
    ++summary.request_count;
    begin = std::min(begin, outcome.begin);
    end = std::max(end, outcome.begin + outcome.end);
    if (!outcome.is_ok()) {
      ++summary.failed_count;
      ++summary.errors[outcome.error];
      continue;
    }
    summary.prompt_token_count += outcome.prompt_token_count.value_or(0);
    summary.answer_token_count += answer_tokens_of(outcome);
    if (!outcome.pieces.empty()) first.push_back(milliseconds(outcome.pieces.front()));
    if (const auto time = output_token_time(outcome)) output.push_back(milliseconds(*time));
    for (size_t i = 1; i < outcome.pieces.size(); ++i) {
      between.push_back(milliseconds(outcome.pieces[i] - outcome.pieces[i - 1]));
    }
    total.push_back(milliseconds(outcome.end));
    if (is_good(outcome, objective)) ++summary.good_count;
  }
  if (!outcomes.empty()) summary.duration_s = seconds(end - begin);
  summary.first_token = percentiles_of(std::move(first));
  summary.output_token = percentiles_of(std::move(output));
  summary.inter_token = percentiles_of(std::move(between));
  summary.total = percentiles_of(std::move(total));
  return summary;
}

std::optional<size_t> knee_of(std::span<const LoadPoint> points, const LoadObjective& objective) {
  const auto keeps_up = [&](size_t i) {
    const LoadSummary& summary = points[i].summary;
    if (!objective.is_empty()) return summary.attainment() >= kMetShare;
    if (i == 0) return summary.failed_count < summary.request_count;
    const auto load = [](const LoadPoint& point) {
      return point.rate.value_or(static_cast<double>(point.client_count.value_or(1)));
    };
    const double more_load = load(points[i]) / load(points[i - 1]) - 1;
    const double more_tokens =
        summary.answer_tokens_per_second() / points[i - 1].summary.answer_tokens_per_second() - 1;
    return more_tokens >= kWorthwhileShare * more_load;
  };
  std::optional<size_t> knee;
  for (size_t i = 0; i < points.size() && keeps_up(i); ++i) knee = i;
  return knee;
}

std::string to_text(std::span<const LoadPoint> points, const LoadObjective& objective) {
  const bool has_objective = !objective.is_empty();
  std::vector<TextColumn> columns = {
      {"load", Align::kLeft}, {"requests"}, {"failed"},  {"tok/s"},   {"req/min"}, {"TTFT p50"}, {"p95"}, {"p99"},
      {"TPOT p50"},           {"p95"},      {"ITL p99"}, {"e2e p50"}, {"p99 (ms)"}};
  if (has_objective) {
    columns.push_back({"good/s"});
    columns.push_back({"good"});
  }
  TextTable table(std::move(columns));
  for (const LoadPoint& point : points) {
    const LoadSummary& summary = point.summary;
    const auto time = [](double milliseconds) { return fmt::format("{:.1f}", milliseconds); };
    std::vector<std::string> row = {
        load_of(point),
        std::to_string(summary.request_count),
        std::to_string(summary.failed_count),
        fmt::format("{:.0f}", summary.answer_tokens_per_second()),
        fmt::format("{:.0f}", 60 * summary.per_second(summary.request_count - summary.failed_count)),
        time(summary.first_token.p50),
        time(summary.first_token.p95),
        time(summary.first_token.p99),
        time(summary.output_token.p50),
        time(summary.output_token.p95),
        time(summary.inter_token.p99),
        time(summary.total.p50),
        time(summary.total.p99)};
    if (has_objective) {
      row.push_back(fmt::format("{:.2f}", summary.per_second(summary.good_count)));
      row.push_back(fmt::format("{:.0f} %", 100 * summary.attainment()));
    }
    table.add_row(std::move(row));
  }
  std::string text = table.to_string();
  for (const LoadPoint& point : points) {
    for (const auto& [error, count] : point.summary.errors) {
      text += fmt::format("{}: {} × {}\n", load_of(point), count, error);
    }
  }
  if (points.size() > 1) {
    const auto knee = knee_of(points, objective);
    text += knee ? fmt::format("knee: {}\n", load_of(points[*knee])) : "knee: below the smallest load\n";
  }
  return text;
}

json::object to_json(std::span<const LoadPoint> points, const LoadObjective& objective) {
  json::array results;
  for (const LoadPoint& point : points) results.push_back(to_json(point));
  json::object object;
  object["objective"] = {{"ttft_ms", objective_time(objective.first_token)},
                         {"tpot_ms", objective_time(objective.output_token)},
                         {"e2e_ms", objective_time(objective.total)}};
  object["results"] = std::move(results);
  const auto knee = knee_of(points, objective);
  object["knee"] = points.size() > 1 && knee ? json::value(*knee) : json::value();
  return object;
}

}  // namespace pelton
