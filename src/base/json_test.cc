#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "body");
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(Json, ParsesAndReads) {
  const json::value value = parse_json(R"({"n": 5.0, "s": "a", "b": true, "x": null})", "body");
  const JsonReader reader = JsonReader::of(value, "");
  EXPECT_EQ(reader.integer("n", 0, 10), 5);
  EXPECT_EQ(reader.string("s"), "a");
  EXPECT_EQ(reader.boolean("b"), true);
  EXPECT_EQ(reader.number("x", 0, 1), std::nullopt);
  EXPECT_THROW(reader.integer("s", 0, 10), Error);
  EXPECT_THROW(reader.integer("n", 0, 4), Error);
  EXPECT_THROW(reader.refuse_others({"n", "s", "b"}), Error);
  EXPECT_NO_THROW(reader.refuse_others({"n", "s", "b", "x"}));
}

TEST(Json, QuotesWhatItRefusesReadably) {
  const auto refusal = [](const std::string& text) {
    try {
      JsonReader::of(parse_json(text, "body"), "").integer("n", 0, 9);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_THAT(refusal(R"({"n": 1.1})"), testing::EndsWith("got 1.1"));
  for (size_t length = 50; length < 60; ++length) {
    const std::string message = refusal("{\"n\": \"" + std::string(length, 'x') + "ééééééé\"}");
    EXPECT_NO_THROW(parse_json(json::serialize(json::value(message)), "message")) << message;
  }
}

TEST(Json, RefusesBrokenText) {
  EXPECT_THAT(error_of("{\n  \"a\": }"), testing::HasSubstr("line 2"));
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("{}x"), "");
  EXPECT_NE(error_of("\"\xff\""), "");
  EXPECT_NE(error_of("NaN"), "");
  EXPECT_THAT(error_of(R"({"a":1,"b":{"c":1,"c":2}})"), testing::HasSubstr("\"c\" appears twice"));
  EXPECT_EQ(error_of(R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})"), "");
  EXPECT_EQ(error_of(" {} \n"), "");
}

TEST(Json, RefusesDepth) {
  const std::string deep = std::string(10000, '[') + std::string(10000, ']');
  EXPECT_THAT(error_of(deep), testing::HasSubstr("deeper than 64"));
}

}  // namespace
}  // namespace pelton
