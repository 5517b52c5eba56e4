#include "cli/option_checks.h"

#include <gtest/gtest.h>

namespace pelton::cli {
namespace {

TEST(OptionChecks, KnowNumbers) {
  for (const char* text : {"1e-4", "0.5", "3"}) {
    EXPECT_EQ(positive_number_problem(text), "") << text;
    EXPECT_EQ(number_problem(text, 3), "") << text;
  }
  EXPECT_EQ(number_problem("0", 3), "");
  for (const char* text : {"", "nan", "inf", "-inf", "-1", "1e999", "two", "1x"}) {
    EXPECT_NE(positive_number_problem(text), "") << text;
    EXPECT_NE(number_problem(text, 3), "") << text;
  }
  EXPECT_NE(positive_number_problem("0"), "");
  EXPECT_EQ(number_problem("3.5", 3), "must be a number from 0 to 3, got \"3.5\"");
}

TEST(OptionChecks, KnowNames) {
  for (const char* text : {"a", "my model 2", "模型", "org/model:Q4"}) EXPECT_EQ(name_problem(text), "") << text;
  for (const char* text : {"", "a\nb", "\x1b[2J", "\xff", "\x7f"}) EXPECT_NE(name_problem(text), "") << text;
}

}  // namespace
}  // namespace pelton::cli
