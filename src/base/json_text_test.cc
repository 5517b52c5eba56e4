#include "base/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace pelton {
namespace {

TEST(JsonText, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(to_json_text(1.1), "1.1");
  EXPECT_EQ(to_json_text(280.213), "280.213");
  EXPECT_EQ(to_json_text(100000.0), "100000");
  EXPECT_EQ(to_json_text(-0.25), "-0.25");
  EXPECT_EQ(to_json_text(0.0), "0");
  EXPECT_EQ(to_json_text(1e-5), "0.00001");
  EXPECT_EQ(to_json_text(2.5e-7), "2.5e-07");
  EXPECT_EQ(to_json_text(1e300), "1e+300");
  EXPECT_EQ(to_json_text(7), "7");
  EXPECT_EQ(to_json_text(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(to_json_text(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(to_json_text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(to_json_text(std::nan("")), "null");
}

TEST(JsonText, NumbersReadBackAsTheSame) {
  for (const double number : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789012345678.0, 9007199254740993.0}) {
    for (const double signed_number : {number, -number}) {
      const std::string text = to_json_text(signed_number);
      EXPECT_EQ(std::strtod(text.c_str(), nullptr), signed_number) << text;
      EXPECT_NO_THROW(parse_json(text, "number")) << text;
    }
  }
}

TEST(JsonText, WritesTheRestAsJsonIs) {
  const char* text = R"({"a\"\n":[1,2.5,[],{}],"b":{"c":null,"d":true},"e":"\u0001 é"})";
  EXPECT_EQ(to_json_text(parse_json(text, "text")), text);
}

TEST(JsonText, FloatsAreTheShortestThatReadBack) {
  const std::vector<float> values = {0.1f, -1.5f, 1e-7f, 3.4028235e38f, 0, INFINITY};
  EXPECT_EQ(to_json_text(to_json(values)), "[0.1,-1.5,1e-07,3.4028235e+38,0,null]");
  EXPECT_EQ(static_cast<float>(to_json(values)[0].as_double()), 0.1f);
}

}  // namespace
}  // namespace pelton
