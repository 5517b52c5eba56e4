#include "base/name_value.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(NameValue, IsDividedOnce) {
  const auto first = split_name_value("a=b=c"), last = split_name_value("a=b=c", DivideAt::kLast);
  ASSERT_TRUE(first && last);
  EXPECT_EQ(first->name, "a");
  EXPECT_EQ(first->value, "b=c");
  EXPECT_EQ(last->name, "a=b");
  EXPECT_EQ(last->value, "c");
  const auto empty = split_name_value("=");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->name, "");
  EXPECT_EQ(empty->value, "");
  EXPECT_FALSE(split_name_value("name"));
  EXPECT_FALSE(split_name_value("", DivideAt::kLast));
}

}  // namespace
}  // namespace pelton
