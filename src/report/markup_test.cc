#include "report/markup.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(Markup, IsTextAgain) {
  EXPECT_EQ(escaped_markup("<b class=\"x\">a & b</b>"), "&lt;b class=&quot;x&quot;&gt;a &amp; b&lt;/b&gt;");
  EXPECT_EQ(escaped_markup("two\r\n\tlines: \u00e9\u4e16"), "two\r\n\tlines: \u00e9\u4e16");
  EXPECT_EQ(escaped_markup(std::string_view("\0a\x1b[1mb", 7)), "a[1mb");
}

}  // namespace
}  // namespace pelton
