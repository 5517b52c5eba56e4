#include "load/load_page.h"

#include <fmt/format.h>

#include <functional>

#include "report/html_page.h"
#include "report/line_plot.h"

namespace pelton {
namespace {

using Value = std::function<double(const LoadSummary&)>;

double load_of(const LoadPoint& point) {
  return point.rate.value_or(static_cast<double>(point.client_count.value_or(0)));
}

PlotLine line(std::span<const LoadPoint> points, std::string label, const Value& value) {
  PlotLine result{.label = std::move(label), .points = {}};
  for (const LoadPoint& point : points) result.points.emplace_back(load_of(point), value(point.summary));
  return result;
}

std::vector<PlotLine> percentile_lines(std::span<const LoadPoint> points,
                                       const std::function<const Percentiles&(const LoadSummary&)>& times) {
  return {line(points, "p50", [&](const LoadSummary& summary) { return times(summary).p50; }),
          line(points, "p95", [&](const LoadSummary& summary) { return times(summary).p95; }),
          line(points, "p99", [&](const LoadSummary& summary) { return times(summary).p99; })};
}

std::vector<std::vector<std::string>> table_of(std::span<const LoadPoint> points) {
  std::vector<std::vector<std::string>> rows = {{"load", "requests", "failed", "answer tok/s", "prompt tok/s",
                                                 "requests/min", "TTFT p50", "TTFT p95", "TTFT p99", "TPOT p50",
                                                 "TPOT p95", "ITL p99", "e2e p50", "e2e p99", "good/s", "good"}};
  for (const LoadPoint& point : points) {
    const LoadSummary& summary = point.summary;
    const auto time = [](double milliseconds) { return fmt::format("{:.1f} ms", milliseconds); };
    rows.push_back({point.rate ? fmt::format("{:g} a second", *point.rate) : fmt::format("{} clients", load_of(point)),
                    std::to_string(summary.request_count), std::to_string(summary.failed_count),
                    fmt::format("{:.0f}", summary.answer_tokens_per_second()),
                    fmt::format("{:.0f}", summary.per_second(summary.prompt_token_count)),
                    fmt::format("{:.0f}", 60 * summary.per_second(summary.request_count - summary.failed_count)),
                    time(summary.first_token.p50), time(summary.first_token.p95), time(summary.first_token.p99),
                    time(summary.output_token.p50), time(summary.output_token.p95), time(summary.inter_token.p99),
                    time(summary.total.p50), time(summary.total.p99),
                    fmt::format("{:.2f}", summary.per_second(summary.good_count)),
                    fmt::format("{:.0f} %", 100 * summary.attainment())});
  }
  return rows;
}

std::string objective_in_words(const LoadObjective& objective) {
  std::string words;
  const auto add = [&](const char* name, const std::optional<Duration>& time) {
    if (time) words += fmt::format("{}{} ≤ {:g} ms", words.empty() ? "" : ", ", name, milliseconds(*time));
  };
  add("TTFT", objective.first_token);
  add("TPOT", objective.output_token);
  add("end to end", objective.total);
  return words.empty() ? "none: every answered request is good" : words;
}

std::optional<double> limit_of(const std::optional<Duration>& time) {
  return time ? std::optional(milliseconds(*time)) : std::nullopt;
}

}  // namespace

std::string to_html(std::span<const LoadPoint> points, const LoadObjective& objective, const std::string& target,
                    const std::string& workload) {
  const bool is_open = !points.empty() && points.front().rate.has_value();
  const std::string load = is_open ? "requests offered a second" : "clients";
  HtmlPage page("Under load: " + target);
  page.add_text(workload);
  page.add_text("Objective: " + objective_in_words(objective) + ".");
  page.add_table(table_of(points));
  if (points.size() > 1) {
    const auto knee = knee_of(points, objective);
    page.add_text(knee ? fmt::format("Knee: {:g} {}.", load_of(points[*knee]), load)
                       : "Knee: below the smallest load.");
  }
  page.add_pictures(
      {to_svg(LinePlot{.title = "Throughput",
                       .x_label = load,
                       .y_label = "tokens a second",
                       .lines = {line(points, "answers", &LoadSummary::answer_tokens_per_second)},
                       .limit = std::nullopt}),
       to_svg(LinePlot{.title = "Time to first token",
                       .x_label = load,
                       .y_label = "ms",
                       .lines = percentile_lines(
                           points, [](const auto& s) -> auto& { return s.first_token; }),
                       .limit = limit_of(objective.first_token)}),
       to_svg(LinePlot{.title = "Time per output token",
                       .x_label = load,
                       .y_label = "ms",
                       .lines = percentile_lines(
                           points, [](const auto& s) -> auto& { return s.output_token; }),
                       .limit = limit_of(objective.output_token)}),
       to_svg(LinePlot{
           .title = "Goodput",
           .x_label = load,
           .y_label = "requests a second",
           .lines = {line(points, "good", [](const LoadSummary& s) { return s.per_second(s.good_count); }),
                     line(points, "answered",
                          [](const LoadSummary& s) { return s.per_second(s.request_count - s.failed_count); })},
           .limit = std::nullopt})});
  for (const LoadPoint& point : points) {
    for (const auto& [error, count] : point.summary.errors) {
      page.add_text(fmt::format("{:g} {}: {} × {}", load_of(point), load, count, error));
    }
  }
  return page.to_string();
}

}  // namespace pelton
