#include "report/html_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/line_plot.h"

namespace pelton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(HtmlPage, NothingInItIsTakenForMarkup) {
  HtmlPage page("a <b> & c");
  page.add_heading("<script>");
  page.add_text("\"x\" < y");
  page.add_table({{"name", "<i>"}, {"1 & 2", "3"}});
  EXPECT_THAT(page.to_string(), AllOf(HasSubstr("<title>a &lt;b&gt; &amp; c</title>"), Not(HasSubstr("<script>")),
                                      HasSubstr("&quot;x&quot; &lt; y"), HasSubstr("<th>&lt;i&gt;</th>"),
                                      HasSubstr("<td>1 &amp; 2</td>")));
}

TEST(LinePlot, StepsAreRound) {
  EXPECT_DOUBLE_EQ(round_step(6, 6), 1);
  EXPECT_DOUBLE_EQ(round_step(6.1, 6), 2);
  EXPECT_DOUBLE_EQ(round_step(1000, 6), 200);
  EXPECT_DOUBLE_EQ(round_step(0.03, 6), 0.005);
  EXPECT_DOUBLE_EQ(round_step(59, 6), 10);
}

TEST(LinePlot, DrawsWhatIsFinite) {
  const std::string svg = to_svg(LinePlot{.title = "<t>",
                                          .x_label = "x",
                                          .y_label = "y",
                                          .lines = {{"one", {{1, 10}, {2, NAN}, {3, 30}}}, {"none", {}}},
                                          .limit = 60.0});
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;t&gt;"), HasSubstr("one: 10 at 1"), HasSubstr("one: 30 at 3"),
                         Not(HasSubstr("nan")), HasSubstr("stroke-dasharray")));
}

TEST(LinePlot, WithoutPointsThereAreAxes) { EXPECT_THAT(to_svg(LinePlot{}), Not(HasSubstr("nan"))); }

}  // namespace
}  // namespace pelton
