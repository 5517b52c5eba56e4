#include "report/roofline_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace pelton {
namespace {

using testing::HasSubstr;
using testing::Not;

RooflinePlot example() {
  return {.title = "a model <on> a machine",
          .roofs = {{"L1", 900}, {"L2", 400}, {"L3", 150}, {"DRAM", 40}},
          .ceilings = {{"f32", 480}, {"bf16", 960}, {"int8", 1900}},
          .points = {{"decode, 1 row", 3, 100}, {"decode, 8 rows", 20, 300}, {"prefill", 1500, 1100}}};
}

// The y of each text with this content.
double height_of(const std::string& svg, const std::string& label) {
  std::smatch match;
  EXPECT_TRUE(std::regex_search(svg, match, std::regex("y=\"([-0-9.]+)\"[^>]*>" + label + "</text>"))) << label;
  return match.empty() ? NAN : std::stod(match[1]);
}

TEST(RooflinePlot, NamesEverything) {
  const std::string svg = to_svg(example());
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  for (const char* text : {"a model &lt;on&gt; a machine", "DRAM 40 GB/s", "int8 1900 GOP/s", "decode, 8 rows"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(RooflinePlot, FasterStandsHigher) {
  const std::string svg = to_svg(example());
  EXPECT_LT(height_of(svg, "prefill"), height_of(svg, "decode, 1 row"));
  EXPECT_LT(height_of(svg, "int8 1900 GOP/s"), height_of(svg, "f32 480 GOP/s"));
}

// Labels of points: where each begins and ends, and its height.
struct Label {
  double left, right, y;
};
std::vector<Label> point_labels(const std::string& svg) {
  std::vector<Label> labels;
  const std::regex pattern(
      "<text x=\"([-0-9.]+)\" y=\"([-0-9.]+)\" fill=\"#[0-9a-f]+\" text-anchor=\"(start|end)\">([^<]*)<");
  for (std::sregex_iterator match(svg.begin(), svg.end(), pattern), end; match != end; ++match) {
    if ((*match)[4].str().find("row") == std::string::npos) continue;  // a number at an axis
    const double x = std::stod((*match)[1]);
    const double width = 6.5 * static_cast<double>((*match)[4].length());
    const bool is_left = (*match)[3] == "end";
    labels.push_back({is_left ? x - width : x, is_left ? x : x + width, std::stod((*match)[2])});
  }
  return labels;
}

TEST(RooflinePlot, LabelsDoNotCoverEachOther) {
  RooflinePlot plot = example();
  plot.points.clear();
  // As a model with three batches and two numbers of threads gives them, and three at one place.
  for (const auto& [x, y] : {std::pair{3.0, 96.0},
                             {3.0, 135.0},
                             {16.0, 344.0},
                             {16.0, 559.0},
                             {31.0, 346.0},
                             {31.0, 604.0},
                             {970.0, 504.0},
                             {970.0, 1001.0},
                             {970.0, 1001.0},
                             {970.0, 1002.0}}) {
    plot.points.push_back({"a phase of many rows: 2345 tok/s", x, y});
  }
  const std::vector<Label> labels = point_labels(to_svg(plot));
  ASSERT_EQ(labels.size(), plot.points.size());
  for (size_t a = 0; a < labels.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const bool is_beside = labels[a].right <= labels[b].left || labels[b].right <= labels[a].left;
      EXPECT_TRUE(is_beside || std::abs(labels[a].y - labels[b].y) >= 12) << a << " and " << b;
    }
  }
}

TEST(RooflinePlot, LabelsOfCeilingsAreMovedApart) {
  RooflinePlot plot = example();
  plot.ceilings = {{"a", 1000}, {"b", 1001}};
  const std::string svg = to_svg(plot);
  EXPECT_GE(std::abs(height_of(svg, "a 1000 GOP/s") - height_of(svg, "b 1001 GOP/s")), 12);
}

TEST(RooflinePlot, WhatWasNotMeasuredIsLeftOut) {
  const std::string svg = to_svg({.title = "t",
                                  .roofs = {{"L4", 0}, {"DRAM", 40}},
                                  .ceilings = {{"f16", 0}, {"f32", 100}},
                                  .points = {{"none", 0, 0}}});
  for (const char* text : {"L4", "f16", "none", "nan", "inf"}) EXPECT_THAT(svg, Not(HasSubstr(text)));
  EXPECT_THAT(to_svg({}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace pelton
