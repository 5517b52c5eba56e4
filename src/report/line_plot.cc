#include "report/line_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "report/markup.h"

namespace pelton {
namespace {

// Pixels.
constexpr double kWidth = 640;
constexpr double kHeight = 360;
constexpr double kLeft = 70;
constexpr double kRight = 620;
constexpr double kTop = 40;
constexpr double kBottom = 290;
constexpr double kLegendY = 345;

constexpr std::array<std::string_view, 6> kColours = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"};
constexpr int kTicksMax = 6;

bool is_finite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

class Picture {
 public:
  explicit Picture(const LinePlot& plot) : plot_(plot) {
    for (const PlotLine& line : plot.lines) {
      for (const auto& point : line.points) {
        if (!is_finite(point)) continue;
        x_max_ = std::max(x_max_, point.first);
        y_max_ = std::max(y_max_, point.second);
      }
    }
    if (plot.limit) y_max_ = std::max(y_max_, *plot.limit);
    if (x_max_ <= 0) x_max_ = 1;
    if (y_max_ <= 0) y_max_ = 1;
    y_max_ *= 1.05;  // room above the highest point
  }

  std::string draw() {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
        "<text x=\"{2}\" y=\"22\" font-size=\"15\">{3}</text>\n",
        kWidth, kHeight, kLeft, escaped_markup(plot_.title));
    draw_axes();
    if (plot_.limit) {
      svg_ += fmt::format(
          "<line x1=\"{}\" y1=\"{y:.1f}\" x2=\"{}\" y2=\"{y:.1f}\" stroke=\"#888\" stroke-dasharray=\"6 4\"/>\n", kLeft,
          kRight, fmt::arg("y", y(*plot_.limit)));
    }
    double legend_x = kLeft;
    for (size_t i = 0; i < plot_.lines.size(); ++i) {
      const std::string_view colour = kColours[i % kColours.size()];
      draw_line(plot_.lines[i], colour);
      svg_ += fmt::format("<rect x=\"{:.1f}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{}\"/>\n", legend_x,
                          kLegendY - 6, colour);
      svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n", legend_x + 20, kLegendY,
                          escaped_markup(plot_.lines[i].label));
      legend_x += 40 + 7.0 * static_cast<double>(plot_.lines[i].label.size());
    }
    return svg_ + "</svg>\n";
  }

 private:
  double x(double value) const { return kLeft + value / x_max_ * (kRight - kLeft); }
  double y(double value) const { return kBottom - value / y_max_ * (kBottom - kTop); }

  void draw_axes() {
    for (double value = 0, step = round_step(y_max_, kTicksMax); value <= y_max_; value += step) {
      svg_ += fmt::format("<line x1=\"{}\" y1=\"{y:.1f}\" x2=\"{}\" y2=\"{y:.1f}\" stroke=\"#ddd\"/>\n", kLeft, kRight,
                          fmt::arg("y", y(value)));
      svg_ +=
          fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n", kLeft - 6, y(value) + 4, value);
    }
    for (double value = 0, step = round_step(x_max_, kTicksMax); value <= x_max_ * (1 + 1e-9); value += step) {
      svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x(value), kBottom + 16,
                          value);
    }
    svg_ += fmt::format("<path d=\"M{0} {1}V{2}H{3}\" fill=\"none\" stroke=\"#333\"/>\n", kLeft, kTop, kBottom, kRight);
    svg_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kRight) / 2,
                        kBottom + 34, escaped_markup(plot_.x_label));
    svg_ += fmt::format("<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                        (kTop + kBottom) / 2, escaped_markup(plot_.y_label));
  }

  void draw_line(const PlotLine& line, std::string_view colour) {
    std::string path;
    std::string marks;
    for (const auto& point : line.points) {
      if (!is_finite(point)) continue;
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(point.first), y(point.second));
      marks += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{}: {:g} at {:g}</title></circle>\n",
          x(point.first), y(point.second), colour, escaped_markup(line.label), point.second, point.first);
    }
    if (path.empty()) return;
    if (line.style != LineStyle::kMarks) {
      svg_ += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path, colour);
    }
    if (line.style != LineStyle::kLine) svg_ += marks;
  }

  const LinePlot& plot_;
  double x_max_ = 0;
  double y_max_ = 0;
  std::string svg_;
};

}  // namespace

double round_step(double largest, int count_max) {
  const double power = std::pow(10, std::floor(std::log10(largest / count_max)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power * count_max >= largest) return factor * power;
  }
  return 10 * power;
}

std::string to_svg(const LinePlot& plot) { return Picture(plot).draw(); }

}  // namespace pelton
