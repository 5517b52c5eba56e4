#include "report/roofline_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

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

TEST(RooflinePlot, LabelsOfNeighboursAreMovedApart) {
  RooflinePlot plot = example();
  plot.points = {{"first", 3, 100}, {"second", 3, 101}, {"third", 3.1, 100}};
  plot.ceilings = {{"a", 1000}, {"b", 1001}};
  const std::string svg = to_svg(plot);
  EXPECT_GE(std::abs(height_of(svg, "first") - height_of(svg, "second")), 12);
  EXPECT_GE(std::abs(height_of(svg, "first") - height_of(svg, "third")), 12);
  EXPECT_GE(std::abs(height_of(svg, "third") - height_of(svg, "second")), 12);
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
