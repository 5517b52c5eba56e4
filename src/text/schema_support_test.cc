#include "text/schema_support.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/error.h"
#include "text/grammar_check.h"

namespace pelton {
namespace {

std::map<std::string, KeywordSupport> support_of(std::string_view schema) {
  std::map<std::string, KeywordSupport> support;
  for (const SchemaKeyword& keyword : inspect_schema(parse_json(schema, "schema"))) {
    support[keyword.path] = keyword.support;
  }
  return support;
}

using Support = std::map<std::string, KeywordSupport>;
constexpr auto kEnforced = KeywordSupport::kEnforced;
constexpr auto kAnnotation = KeywordSupport::kAnnotation;
constexpr auto kUnknown = KeywordSupport::kUnknown;
constexpr auto kRefused = KeywordSupport::kRefused;

TEST(SchemaSupport, SaysOfEachKeywordWhatItDoes) {
  EXPECT_EQ(support_of(R"({"type": "object", "title": "not", "frobs": {"not": 1},
                           "properties": {"not": {"not": {}}, "a~/": {"enum": [{"if": 1}]}}})"),
            (Support{{"#/type", kEnforced},
                     {"#/title", kAnnotation},
                     {"#/frobs", kUnknown},
                     {"#/properties", kEnforced},
                     {"#/properties/not/not", kRefused},
                     {"#/properties/a~0~1/enum", kEnforced}}));
}

TEST(SchemaSupport, LooksWhereverASchemaStands) {
  for (const char* holder :
       {R"("items": X)", R"("items": [X])", R"("prefixItems": [true, X])", R"("additionalItems": X)", R"("allOf": [X])",
        R"("anyOf": [X])", R"("oneOf": [X])", R"("properties": {"a": X})", R"("patternProperties": {"a": X})",
        R"("additionalProperties": X)", R"("$ref": "#/$defs/a", "$defs": {"a": X})",
        R"("$ref": "#/frobs/a", "frobs": {"a": X})", R"("$ref": "#name", "$defs": {"a": X})",
        R"("$ref": "#/$defs/a%20b", "$defs": {"a b": X})"}) {
    std::string schema = std::string("{") + holder + "}";
    schema.replace(schema.find('X'), 1, R"({"contains": true})");
    EXPECT_THROW(check_schema_support(parse_json(schema, "schema")), Error) << schema;
  }
  // What nothing refers to is no part of it; nor are names and values.
  for (const char* schema : {R"({"$defs": {"a": {"contains": true}}})", R"({"properties": {"contains": true}})",
                             R"({"const": {"contains": true}})", R"({"default": {"not": 1}})"}) {
    EXPECT_NO_THROW(check_schema_support(parse_json(schema, "schema"))) << schema;
  }
}

TEST(SchemaSupport, EndsOnASchemaThatRefersToItself) {
  EXPECT_EQ(support_of(R"({"properties": {"next": {"$ref": "#"}}})").size(), 2u);
}

TEST(SchemaSupport, JudgesByTheSchemasOwnDraft) {
  EXPECT_EQ(support_of(R"({"prefixItems": [true]})").at("#/prefixItems"), kEnforced);
  EXPECT_EQ(support_of(R"({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [true]})")
                .at("#/prefixItems"),
            kRefused);
  EXPECT_EQ(support_of(R"({"format": "date"})").at("#/format"), kEnforced);
  EXPECT_EQ(support_of(R"({"format": "iri"})").at("#/format"), kRefused);
}

// The two lists, ours and the library's, say the same: what we let pass, it compiles; and it holds to what we call
// enforced.
TEST(SchemaSupport, WhatIsEnforcedHolds) {
  struct Case {
    const char* keyword;
    const char* allowed;
    const char* forbidden;
  };
  constexpr Case kCases[] = {
      {R"("type": "boolean")", "true", "1"},
      {R"("enum": [1, "a"])", "\"a\"", "2"},
      {R"("const": {"a": [1]})", R"({"a":[1]})", R"({"a":[2]})"},
      {R"("$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}})", "null", "1"},
      {R"("allOf": [{"minimum": 2}, {"maximum": 4}], "type": "integer")", "3", "5"},
      {R"("anyOf": [{"type": "null"}, {"const": 1}])", "1", "2"},
      {R"("oneOf": [{"type": "null"}, {"type": "boolean"}])", "null", "1"},
      {R"("properties": {"a": {"type": "null"}})", R"({"a":null})", R"({"a":1})"},
      {R"("type": "object", "required": ["a"])", R"({"a":1})", R"({"b":1})"},
      {R"("properties": {"a": true}, "additionalProperties": false)", R"({"a":1})", R"({"b":1})"},
      {R"("patternProperties": {"^x": {"type": "null"}})", R"({"x1":null})", R"({"x1":1})"},
      {R"("type": "object", "minProperties": 1)", R"({"a":1})", "{}"},
      {R"("type": "object", "maxProperties": 1)", R"({"a":1})", R"({"a":1,"b":1})"},
      {R"("items": {"type": "null"})", "[null]", "[1]"},
      {R"("items": [{"type": "null"}], "additionalItems": false)", "[null]", "[null,1]"},
      {R"("prefixItems": [{"type": "null"}])", "[null,1]", "[1]"},
      {R"("type": "array", "minItems": 1)", "[1]", "[]"},
      {R"("type": "array", "maxItems": 1)", "[1]", "[1,2]"},
      {R"("type": "string", "minLength": 2)", "\"äb\"", "\"ä\""},
      {R"("type": "string", "maxLength": 1)", "\"ä\"", "\"äb\""},
      {R"("type": "string", "pattern": "^a+$")", "\"aa\"", "\"ab\""},
      {R"("type": "string", "format": "ipv4")", "\"127.0.0.1\"", "\"127.0.0\""},
      {R"("type": "number", "minimum": 1.5)", "1.5", "1.4"},
      {R"("type": "number", "maximum": 1.5)", "1.5", "1.6"},
      {R"("type": "number", "exclusiveMinimum": 1)", "1.1", "1"},
      {R"("type": "number", "exclusiveMaximum": 1)", "0.9", "1"},
      {R"("type": "integer", "multipleOf": 3)", "9", "10"},
  };
  for (const Case& c : kCases) {
    const GrammarCheck check({GrammarKind::kJsonSchema, std::string("{") + c.keyword + "}"});
    EXPECT_TRUE(check.accepts(c.allowed)) << c.keyword << " " << c.allowed;
    EXPECT_FALSE(check.accepts(c.forbidden)) << c.keyword << " " << c.forbidden;
  }
}

}  // namespace
}  // namespace pelton
