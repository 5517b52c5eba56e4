#include "data/json_shape.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

JsonShape shape_of(std::initializer_list<std::string_view> lines) {
  JsonShape shape;
  simdjson::dom::parser parser;
  for (const std::string_view line : lines) shape.see(parser.parse(simdjson::padded_string(line)));
  return shape;
}

// The type of a column that holds these values.
std::string type_of(std::initializer_list<std::string_view> values) {
  JsonShape shape;
  simdjson::dom::parser parser;
  for (const std::string_view value : values) {
    shape.see(parser.parse(simdjson::padded_string(fmt::format(R"({{"a":{}}})", value))));
  }
  json::object field = shape.schema().at("fields").at(0).as_object();
  field.erase("name");
  const bool is_json = !shape.json_columns().empty();
  return (is_json ? "json " : "") + json::serialize(field);
}

TEST(JsonShape, AColumnHoldsWhatWasSeenWithoutLoss) {
  EXPECT_EQ(type_of({"null", "\"x\""}), R"({"type":"text"})");
  EXPECT_EQ(type_of({"null"}), R"({"type":"text"})");
  EXPECT_EQ(type_of({"true", "false"}), R"({"type":"bool"})");
  EXPECT_EQ(type_of({"1", "-9223372036854775808"}), R"({"type":"int"})");
  EXPECT_EQ(type_of({"1", "0.5"}), R"({"type":"double"})");
  EXPECT_EQ(type_of({"[1]", "[]"}), R"({"type":"list","item":{"type":"int"}})");
  EXPECT_EQ(type_of({R"({"b":1})", R"({"c":"x"})"}),
            R"({"type":"struct","fields":[{"type":"int","name":"b"},{"type":"text","name":"c"}]})");
}

TEST(JsonShape, WhatNoTypeHoldsIsJson) {
  EXPECT_EQ(type_of({"1", "\"x\""}), R"(json {"type":"text"})");
  EXPECT_EQ(type_of({"true", "1"}), R"(json {"type":"text"})");
  EXPECT_EQ(type_of({"9007199254740993", "0.5"}), R"(json {"type":"text"})") << "2^53 + 1 is no double";
  EXPECT_EQ(type_of({"18446744073709551615"}), R"(json {"type":"text"})") << "beyond 64 bits with a sign";
  EXPECT_EQ(type_of({"{}"}), R"(json {"type":"text"})") << "a struct without fields is none";
  std::string many = "{";
  for (int i = 0; i < 300; ++i) many += fmt::format("{}\"key{}\":1", i == 0 ? "" : ",", i);
  EXPECT_EQ(type_of({many + "}"}), R"(json {"type":"text"})") << "keys that are data";
  EXPECT_EQ(type_of({std::string(40, '[') + std::string(40, ']')}).substr(0, 5), "json ") << "nested too deep";
}

TEST(JsonShape, PartsMergeToTheShapeOfTheWhole) {
  const std::initializer_list<std::string_view> lines = {R"({"a":1,"m":[{"r":"u"}]})", R"({"b":"x","a":null})",
                                                         R"({"a":0.5,"m":[{"r":null,"c":[1,"2"]}]})"};
  JsonShape merged;
  for (const std::string_view line : lines) merged.merge(shape_of({line}));
  EXPECT_EQ(merged.schema(), shape_of(lines).schema());
  EXPECT_THAT(merged.json_columns(), ElementsAre("m[].c[]"));
}

TEST(JsonShape, ValuesThatAColumnCannotHoldBecomeText) {
  const std::string_view line = R"({"a":{"x":1},"b":[{"c":"t","d":[null,{"e":2}]}],"f":1})";
  const JsonShape shape = shape_of({line, R"({"a":"text","b":[{"d":["u"]}]})"});
  EXPECT_THAT(shape.json_columns(), ElementsAre("a", "b[].d[]"));
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(line);
  std::string out;
  shape.append_value(parser.parse(padded), out);
  EXPECT_EQ(out, R"({"a":"{\"x\":1}","b":[{"c":"t","d":[null,"{\"e\":2}"]}],"f":1})");
}

TEST(JsonShape, ARecordsMembersAreBounded) {
  JsonShape shape;
  simdjson::dom::parser parser;
  const auto see_all = [&] {
    for (int i = 0; i < 3000; ++i) {
      shape.see(parser.parse(simdjson::padded_string(fmt::format(R"({{"key{}":1}})", i))));
    }
  };
  try {
    see_all();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr("2000 different members"));
  }
}

}  // namespace
}  // namespace pelton::data
