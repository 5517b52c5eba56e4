// The roofline as a picture: how fast work of some operations per byte can be, and how fast phases were. A whole SVG
// file, both axes logarithmic.
#pragma once

#include <string>
#include <vector>

namespace pelton {

// Slanted: what a level of memory gives.
struct PlotRoof {
  std::string label;  // "DRAM"
  double gb_per_second;
};

// Level: what multiplying with a type gives.
struct PlotCeiling {
  std::string label;  // "int8"
  double gop_per_second;
};

struct PlotPoint {
  std::string label;  // "decode, 8 rows"
  double operations_per_byte;
  double gop_per_second;
};

struct RooflinePlot {
  std::string title;
  std::vector<PlotRoof> roofs;  // what is not positive is left out, here and below
  std::vector<PlotCeiling> ceilings;
  std::vector<PlotPoint> points;
};

// Labels move to where they cover neither each other nor a point. Without a roof and a ceiling: empty axes.
std::string to_svg(const RooflinePlot& plot);

}  // namespace pelton
