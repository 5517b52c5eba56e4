#include "report/roofline_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string_view>

#include "report/markup.h"

namespace pelton {
namespace {

// Pixels.
constexpr double kWidth = 960;
constexpr double kHeight = 600;
constexpr double kLeft = 80;
constexpr double kRight = 790;  // beyond it: the ceilings' labels
constexpr double kTop = 60;
constexpr double kBottom = 540;
constexpr double kLabelHeight = 16;

constexpr std::array<std::string_view, 6> kColours = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"};

// One logarithmic axis.
class Axis {
 public:
  Axis(double smallest, double largest, double first_pixel, double last_pixel)
      : low_(std::log10(smallest)),
        high_(std::log10(largest)),
        first_pixel_(first_pixel),
        pixels_per_decade_((last_pixel - first_pixel) / (high_ - low_)) {}

  double pixel(double value) const { return first_pixel_ + (std::log10(value) - low_) * pixels_per_decade_; }
  double value(double pixel) const { return std::pow(10, low_ + (pixel - first_pixel_) / pixels_per_decade_); }
  double smallest() const { return std::pow(10, low_); }
  double pixels_per_decade() const { return std::abs(pixels_per_decade_); }
  // Powers of ten with a line of their own.
  int first_power() const { return static_cast<int>(std::ceil(low_ - 1e-9)); }
  int last_power() const { return static_cast<int>(std::floor(high_ + 1e-9)); }

 private:
  double low_;
  double high_;
  double first_pixel_;
  double pixels_per_decade_;
};

// Where labels go that want to stand at `wanted`: in the same order, kLabelHeight apart at least.
std::vector<double> spread(const std::vector<double>& wanted) {
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> placed(wanted.size());
  double next_free = -INFINITY;
  for (const size_t index : order) {
    placed[index] = std::max(wanted[index], next_free);
    next_free = placed[index] + kLabelHeight;
  }
  return placed;
}

// What a label or a point covers.
struct Box {
  double left;
  double top;
  double right;
  double bottom;

  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

// Where the label of a point stands: right or left of it, at its height or moved.
struct LabelPlace {
  double x;
  double y;
  bool is_left;
};

// As wide as Latin letters of this size get on average, and a little more.
double text_width(std::string_view text) { return 6.8 * static_cast<double>(text.size()); }

class LabelPlacer {
 public:
  void block(const Box& box) { taken_.push_back(box); }

  // The nearest place where the label meets nothing that is there; where there is none, beside its point.
  LabelPlace place(double x, double y, std::string_view label) {
    constexpr int kMovesMax = 12;
    constexpr double kGap = 10;
    const double width = text_width(label);
    for (int move = 0; move <= 2 * kMovesMax; ++move) {
      // 0, +1, -1, +2, -2, … half labels
      const double offset = kLabelHeight / 2 * (move % 2 == 1 ? (move + 1) / 2 : -move / 2);
      for (const bool is_left : {false, true}) {
        const double begin = is_left ? x - kGap - width : x + kGap;
        const Box box = {begin, y + offset - kLabelHeight / 2, begin + width, y + offset + kLabelHeight / 2};
        const bool is_inside = box.left >= kLeft && box.right <= kRight && box.top >= kTop && box.bottom <= kBottom;
        if (!is_inside ||
            std::any_of(taken_.begin(), taken_.end(), [&](const Box& other) { return box.meets(other); })) {
          continue;
        }
        taken_.push_back(box);
        return {is_left ? x - kGap : x + kGap, y + offset, is_left};
      }
    }
    return {x + kGap, y, false};
  }

 private:
  std::vector<Box> taken_;
};

class Picture {
 public:
  explicit Picture(const RooflinePlot& plot)
      : plot_(plot), x_(x_axis(plot)), y_(y_axis(plot)), top_gop_(highest(plot)) {}

  std::string draw() {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<style>text {{ paint-order: stroke; stroke: white; stroke-width: 3px }}</style>\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
        kWidth, kHeight);
    svg_ += fmt::format("<text x=\"{}\" y=\"30\" font-size=\"16\">{}</text>\n", kLeft, escaped_markup(plot_.title));
    draw_grid();
    draw_roofs();
    draw_ceilings();
    draw_points();
    return svg_ + "</svg>\n";
  }

 private:
  static double highest(const RooflinePlot& plot) {
    double top = 0;
    for (const PlotCeiling& ceiling : plot.ceilings) top = std::max(top, ceiling.gop_per_second);
    return top;
  }

  // From a decade left of where the fastest memory meets the lowest ceiling to beyond the last ridge and point.
  static Axis x_axis(const RooflinePlot& plot) {
    double smallest = 1;
    double largest = 10;
    for (const PlotRoof& roof : plot.roofs) {
      if (roof.gb_per_second <= 0) continue;
      for (const PlotCeiling& ceiling : plot.ceilings) {
        if (ceiling.gop_per_second <= 0) continue;
        const double ridge = ceiling.gop_per_second / roof.gb_per_second;
        smallest = std::min(smallest, ridge / 2);
        largest = std::max(largest, ridge * 3);
      }
    }
    for (const PlotPoint& point : plot.points) {
      if (point.operations_per_byte <= 0) continue;
      smallest = std::min(smallest, point.operations_per_byte / 1.5);
      largest = std::max(largest, point.operations_per_byte * 1.5);
    }
    return Axis(smallest, largest, kLeft, kRight);
  }

  static Axis y_axis(const RooflinePlot& plot) {
    double smallest = 10;
    double largest = 100;
    for (const PlotCeiling& ceiling : plot.ceilings) largest = std::max(largest, ceiling.gop_per_second * 1.2);
    for (const PlotRoof& roof : plot.roofs) {
      if (roof.gb_per_second > 0) smallest = std::min(smallest, roof.gb_per_second);
    }
    for (const PlotPoint& point : plot.points) {
      if (point.gop_per_second > 0) smallest = std::min(smallest, point.gop_per_second / 1.5);
    }
    return Axis(smallest, largest, kBottom, kTop);
  }

  void line(double x1, double y1, double x2, double y2, std::string_view style) {
    svg_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, style);
  }
  void text(double x, double y, std::string_view label, std::string_view style = "") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, style, escaped_markup(label));
  }

  void draw_grid() {
    constexpr std::string_view kGrid = "stroke=\"#dddddd\"";
    for (int power = x_.first_power(); power <= x_.last_power(); ++power) {
      const double x = x_.pixel(std::pow(10, power));
      line(x, kTop, x, kBottom, kGrid);
      text(x, kBottom + 18, fmt::format("{:g}", std::pow(10, power)), "text-anchor=\"middle\" fill=\"#444444\"");
    }
    for (int power = y_.first_power(); power <= y_.last_power(); ++power) {
      const double y = y_.pixel(std::pow(10, power));
      line(kLeft, y, kRight, y, kGrid);
      text(kLeft - 8, y + 4, fmt::format("{:g}", std::pow(10, power)), "text-anchor=\"end\" fill=\"#444444\"");
    }
    text((kLeft + kRight) / 2, kBottom + 42, "operations per byte from memory", "text-anchor=\"middle\"");
    svg_ += fmt::format("<text transform=\"translate(24 {:.1f}) rotate(-90)\" text-anchor=\"middle\">GOP/s</text>\n",
                        (kTop + kBottom) / 2);
  }

  void draw_roofs() {
    if (top_gop_ <= 0) return;
    const double angle = -std::atan2(y_.pixels_per_decade(), x_.pixels_per_decade()) * 180 / std::numbers::pi;
    // Labels of neighbours start one behind the other, so that lines may lie close.
    constexpr double kStagger = 150;
    size_t index = 0;
    for (const PlotRoof& roof : plot_.roofs) {
      if (roof.gb_per_second <= 0) continue;
      const double first = std::max(x_.smallest(), y_.smallest() / roof.gb_per_second);
      const double ridge = top_gop_ / roof.gb_per_second;
      if (ridge <= first) continue;
      const auto y_at = [&](double x) { return y_.pixel(roof.gb_per_second * x_.value(x)); };
      const double x1 = x_.pixel(first);
      const double x2 = std::min(x_.pixel(ridge), kRight);
      line(x1, y_at(x1), x2, y_at(x2), "stroke=\"#888888\" stroke-width=\"1.5\"");
      const double room = std::max(0.0, x2 - x1 - kStagger);
      const double x =
          x1 + std::min(room, 8 + kStagger * std::cos(angle * std::numbers::pi / 180) * static_cast<double>(index % 2));
      svg_ += fmt::format(
          "<text transform=\"translate({:.1f} {:.1f}) rotate({:.1f})\" dy=\"-4\" fill=\"#555555\">{}</text>\n", x,
          y_at(x), angle, escaped_markup(fmt::format("{} {:.0f} GB/s", roof.label, roof.gb_per_second)));
      ++index;
    }
  }

  void draw_ceilings() {
    double fastest = 0;
    for (const PlotRoof& roof : plot_.roofs) fastest = std::max(fastest, roof.gb_per_second);
    std::vector<const PlotCeiling*> ceilings;
    std::vector<double> heights;
    for (const PlotCeiling& ceiling : plot_.ceilings) {
      if (ceiling.gop_per_second <= 0) continue;
      ceilings.push_back(&ceiling);
      heights.push_back(y_.pixel(ceiling.gop_per_second));
    }
    const std::vector<double> label_heights = spread(heights);
    for (size_t i = 0; i < ceilings.size(); ++i) {
      const double ridge = fastest > 0 ? ceilings[i]->gop_per_second / fastest : x_.smallest();
      line(std::max(kLeft, x_.pixel(ridge)), heights[i], kRight, heights[i], "stroke=\"#888888\" stroke-width=\"1.5\"");
      text(kRight + 6, label_heights[i] + 4,
           fmt::format("{} {:.0f} GOP/s", ceilings[i]->label, ceilings[i]->gop_per_second), "fill=\"#555555\"");
    }
  }

  void draw_points() {
    constexpr double kRadius = 5;
    std::vector<const PlotPoint*> points;
    LabelPlacer placer;
    for (const PlotPoint& point : plot_.points) {
      if (point.operations_per_byte <= 0 || point.gop_per_second <= 0) continue;
      points.push_back(&point);
      const double x = x_.pixel(point.operations_per_byte);
      const double y = y_.pixel(point.gop_per_second);
      placer.block({x - kRadius, y - kRadius, x + kRadius, y + kRadius});
    }
    for (size_t i = 0; i < points.size(); ++i) {
      const double x = x_.pixel(points[i]->operations_per_byte);
      const double y = y_.pixel(points[i]->gop_per_second);
      const LabelPlace label = placer.place(x, y, points[i]->label);
      const std::string_view colour = kColours[i % kColours.size()];
      svg_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", x, y, kRadius, colour);
      if (label.y != y) {
        line(x, y, label.x, label.y, fmt::format("stroke=\"{}\" stroke-width=\"0.8\"", colour));
      }
      text(label.x, label.y + 4, points[i]->label,
           fmt::format("fill=\"{}\" text-anchor=\"{}\"", colour, label.is_left ? "end" : "start"));
    }
  }

  const RooflinePlot& plot_;
  Axis x_;
  Axis y_;
  double top_gop_;
  std::string svg_;
};

}  // namespace

std::string to_svg(const RooflinePlot& plot) { return Picture(plot).draw(); }

}  // namespace pelton
