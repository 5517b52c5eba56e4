#include "io/yaml.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json_text.h"

namespace pelton {
namespace {

std::string as_json(std::string_view yaml) { return to_json_text(parse_yaml(yaml, "test")); }

TEST(Yaml, ScalarsHaveTheTypesOfTheCoreSchema) {
  EXPECT_EQ(as_json("[1, -2, 0.5, .5, 1e3, true, False, null, ~, yes, '5', \"true\", a b, 1.2.3, +7]"),
            R"([1,-2,0.5,0.5,1000,true,false,null,null,"yes","5","true","a b","1.2.3",7])");
}

TEST(Yaml, StepsOfARecipe) {
  EXPECT_EQ(as_json("input: in.jsonl\nsteps:\n- exact:\n- minhash: {ngram: 5, verify: 0.8}\n"),
            R"({"input":"in.jsonl","steps":[{"exact":null},{"minhash":{"ngram":5,"verify":0.8}}]})");
}

TEST(Yaml, JsonIsYaml) { EXPECT_EQ(as_json(R"({"a": [1, {"b": "\u00e9"}]})"), R"({"a":[1,{"b":"é"}]})"); }

void expect_error(std::string_view yaml, std::string_view part, const JsonLimits& limits = {}) {
  try {
    parse_yaml(yaml, "recipe.yaml", limits);
    FAIL() << "no error for " << yaml;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }
}

TEST(Yaml, ErrorsNameFileAndLine) {
  expect_error("a: 1\nb: [1, 2\n", "recipe.yaml: not valid YAML at line");
  expect_error("a: 1\na: 2\n", "line 2: the key 'a' appears twice");
  expect_error("? [1]\n: 2\n", "a key that is no scalar");
  expect_error("[[[[1]]]]", "nested deeper than 2", {.depth_max = 2});
}

TEST(Yaml, AnchorsCannotUnfoldWithoutBound) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name <= 'h'; ++name) {
    const char before = static_cast<char>(name - 1);
    bomb += std::string(1, name) + ": &" + name + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i == 0 ? "*" : ", *") + before;
    bomb += "]\n";
  }
  expect_error(bomb, "more than 100000 bytes", {.bytes_max = 100000});
}

TEST(Yaml, LinesOfKeys) {
  const char* text = "a: 1\n\nb:\n  c: 2\n\"d\": 3\n";
  EXPECT_EQ(yaml_line_of_key(text, "a"), 1u);
  EXPECT_EQ(yaml_line_of_key(text, "b"), 3u);
  EXPECT_EQ(yaml_line_of_key(text, "d"), 5u);
  EXPECT_EQ(yaml_line_of_key(text, "c"), 0u) << "of the outermost mapping";
}

}  // namespace
}  // namespace pelton
