#include "train/tune_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "report/html_page.h"
#include "report/line_plot.h"
#include "train/log_lines.h"

namespace pelton {
namespace {

// A curve of more points than a screen is wide shows no more, and is slow to draw.
constexpr size_t kPointsMax = 400;

using Points = std::vector<std::pair<double, double>>;

// Means of runs of neighbours.
Points thinned(const Points& points) {
  const size_t run = (points.size() + kPointsMax - 1) / kPointsMax;
  if (run <= 1) return points;
  Points result;
  for (size_t begin = 0; begin < points.size(); begin += run) {
    const size_t end = std::min(begin + run, points.size());
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) {
      x += points[i].first;
      y += points[i].second;
    }
    const auto count = static_cast<double>(end - begin);
    result.emplace_back(x / count, y / count);
  }
  return result;
}

// Of each line that has the key.
Points points_of(const std::vector<json::object>& lines, std::string_view key) {
  Points points;
  for (const json::object& line : lines) {
    const json::value* value = line.if_contains(key);
    if (value != nullptr && value->is_number()) {
      points.emplace_back(line.at("step").to_number<double>(), value->to_number<double>());
    }
  }
  return points;
}

std::string curve(const std::vector<json::object>& lines, std::string_view title,
                  const std::vector<std::pair<std::string, std::string>>& labelled_keys) {
  LinePlot plot{.title = std::string(title), .x_label = "step", .y_label = "", .lines = {}, .limit = std::nullopt};
  for (const auto& [label, key] : labelled_keys) {
    Points points = thinned(points_of(lines, key));
    if (!points.empty()) plot.lines.push_back({label, std::move(points)});
  }
  return to_svg(plot);
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

}  // namespace

std::string tune_report(std::string_view log, const json::object& manifest) {
  const std::vector<json::object> lines = log_lines(log);
  const json::object& recipe = manifest.at("recipe").as_object();
  HtmlPage page(fmt::format("Finetuning of {}", text_of(manifest.at("model").as_object().at("name"))));
  const Points losses = points_of(lines, "loss");
  if (!losses.empty()) {
    page.add_text(fmt::format("{} with {}: {} steps, the loss from {:.4f} to {:.4f}.", text_of(recipe.at("objective")),
                              text_of(recipe.at("method")), losses.size(), losses.front().second,
                              losses.back().second));
  }
  std::vector<std::string> pictures = {
      curve(lines, "Loss", {{"training", "loss"}, {"evaluation", "eval_loss"}}),
      curve(lines, "Norm of the gradient, before clipping", {{"", "grad_norm"}}),
      curve(lines, "Learning rate", {{"", "learning_rate"}}),
      curve(lines, "Tokens per second", {{"", "tokens_per_second"}}),
  };
  for (const std::string_view metric : {"margin", "accuracy"}) {
    const std::string key(metric);
    if (!points_of(lines, key).empty()) {
      pictures.push_back(curve(lines, key, {{"training", key}, {"evaluation", "eval_" + key}}));
    }
  }
  page.add_pictures(pictures);
  std::vector<std::vector<std::string>> samples = {{"prompt", "after step", "answer"}};
  for (const json::object& line : lines) {
    const json::value* asked = line.if_contains("samples");
    if (asked == nullptr) continue;
    for (const json::value& sample : asked->as_array()) {
      samples.push_back({text_of(sample.at("prompt")), text_of(line.at("step")), text_of(sample.at("answer"))});
    }
  }
  if (samples.size() > 1) {
    page.add_heading("What it says");
    page.add_table(samples);
  }
  page.add_heading("Recipe");
  std::vector<std::vector<std::string>> rows = {{"key", "value"}};
  for (const auto& [key, value] : recipe) {
    if (!value.is_null()) rows.push_back({std::string(key), text_of(value)});
  }
  page.add_table(rows);
  return page.to_string();
}

}  // namespace pelton
