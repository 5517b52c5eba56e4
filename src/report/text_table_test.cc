#include "report/text_table.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(TextTable, AlignsByCharacters) {
  TextTable table({{"call", Align::kLeft}, {"µs"}, {"verdict", Align::kLeft}});
  table.add_row({"rope", "1.5", "fine"});
  table.add_row({"größer", "12.25", ""});
  EXPECT_EQ(table.to_string(),
            "call       µs  verdict\n"
            "rope      1.5  fine\n"
            "größer  12.25\n");
}

TEST(TextTable, WithoutRowsOnlyTitles) {
  const TextTable table({{"a"}, {"b"}});
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.to_string(), "a  b\n");
}

}  // namespace
}  // namespace pelton
