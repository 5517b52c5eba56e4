#include "data/html_text.h"

#include <gtest/gtest.h>

namespace pelton::data {
namespace {

TEST(HtmlText, KeepsWhatIsRead) {
  const auto text = html_text(R"(<html><head><title>T</title><style>p{}</style></head><body>
    <nav><a href="/">Home</a></nav><h1>Head &amp; more</h1><p>A <b>bold</b>
    text with a <a href="x">link</a>.</p><ul><li>one</li><li>two words</li></ul><pre>a
  b</pre><script>var x;</script><footer>Imprint</footer></body></html>)");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "Head & more\nA bold text with a link.\n- one\n- two words\na\n  b");
}

TEST(HtmlText, BlocksOfLinksAreBoilerplate) {
  const auto text = html_text("<div><a>News</a> <a>Sports</a> | <a>Weather</a></div><p>Real text stands here.</p>");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "Real text stands here.");
}

TEST(HtmlText, OtherTextIsNoHtml) {
  EXPECT_FALSE(html_text("a < b and std::vector<int> and <x>"));
  EXPECT_FALSE(html_text(""));
}

TEST(HtmlText, HostileMarkup) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<div>";
  EXPECT_FALSE(html_text(deep + "x</div>"));
  EXPECT_TRUE(html_text("</p>\0<<<p <a b='"));
}

}  // namespace
}  // namespace pelton::data
