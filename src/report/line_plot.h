// Curves as a picture: a whole SVG, to stand alone or inside a page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pelton {

enum class LineStyle : uint8_t {
  kMarkedLine,
  kLine,   // of a function: its points are not marked
  kMarks,  // of measurements that no line leads through
};

struct PlotLine {
  std::string label;
  std::vector<std::pair<double, double>> points;  // x ascending; what is not finite is left out
  LineStyle style = LineStyle::kMarkedLine;
};

struct LinePlot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotLine> lines;
  std::optional<double> limit;  // a dashed level line: what should be kept
};

// Both axes linear, y from 0. Each point carries its numbers as a tooltip. Without a point: empty axes.
std::string to_svg(const LinePlot& plot);

// Steps of 1, 2 or 5 times a power of ten, at most `count_max` of them up to `largest`. Both positive.
double round_step(double largest, int count_max);

}  // namespace pelton
