#include "data/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "data/record_parser.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;

std::multiset<std::string> rules_of(std::string line) {
  const size_t size = line.size();
  line.resize(size + 64);
  RecordParser parser;
  Arena arena;
  Record record;
  const SourceFile source;
  const Problem problem = parser.parse({line.data(), size}, source, 1, record, arena);
  if (problem) return {*problem};
  Validator validator;
  std::multiset<std::string> rules;
  for (const Finding& finding : validator.check(record)) rules.emplace(finding.rule);
  return rules;
}

std::multiset<std::string> rules_of_messages(const std::string& messages, const std::string& more = "") {
  return rules_of("{\"messages\":[" + messages + "]" + more + "}");
}

const std::string kUser = R"({"role":"user","content":"q"})";
const std::string kAnswer = R"({"role":"assistant","content":"a"})";
std::string says(const std::string& content) { return R"({"role":"assistant","content":")" + content + "\"}"; }
std::string calls(const std::string& id, const std::string& arguments, const std::string& name = "f") {
  return R"({"role":"assistant","content":null,"tool_calls":[{"id":")" + id + R"(","function":{"name":")" + name +
         R"(","arguments":")" + arguments + "\"}}]}";
}
std::string result(const std::string& id) { return R"({"role":"tool","tool_call_id":")" + id + R"(","content":""})"; }

TEST(Validate, GoodChatsHaveNoFindings) {
  EXPECT_THAT(rules_of_messages(kUser + "," + kAnswer), ElementsAre());
  EXPECT_THAT(
      rules_of_messages(R"({"role":"system","content":"s"},)" + kUser + "," + kAnswer + "," + kUser + "," + kAnswer),
      ElementsAre());
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "{}") + "," + result("1") + "," + kAnswer), ElementsAre());
  EXPECT_THAT(rules_of_messages(kUser + "," + says("```c\\nx\\n```\\n`y` ```z```") + "," + kUser + "," +
                                says("<think>t</think>a")),
              ElementsAre());
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "{}")), ElementsAre());
  EXPECT_THAT(rules_of(R"({"text":"```"})"), ElementsAre());
  EXPECT_THAT(rules_of(R"({"prompt":"q","chosen":"a","rejected":"b"})"), ElementsAre());
}

TEST(Validate, Turns) {
  EXPECT_THAT(rules_of_messages(""), ElementsAre("no_messages"));
  EXPECT_THAT(rules_of_messages(kUser), ElementsAre("no_answer"));
  EXPECT_THAT(rules_of_messages(kAnswer), ElementsAre("role_order"));
  EXPECT_THAT(rules_of_messages(kUser + "," + kUser + "," + kAnswer), ElementsAre("role_order"));
  EXPECT_THAT(rules_of_messages(kUser + "," + kAnswer + "," + kAnswer), ElementsAre("role_order"));
  EXPECT_THAT(rules_of_messages(kUser + R"(,{"role":"system","content":"s"},)" + kAnswer), ElementsAre("late_system"));
  EXPECT_THAT(rules_of_messages(kUser + "," + says(" \\n")), ElementsAre("empty_turn"));
  EXPECT_THAT(rules_of(R"({"prompt":"q","chosen":"a","rejected":"a"})"), ElementsAre("same_answers"));
}

TEST(Validate, Text) {
  EXPECT_THAT(rules_of_messages(kUser + "," + says("```python\\nx = 1")), ElementsAre("unclosed_code"));
  EXPECT_THAT(rules_of_messages(kUser + "," + says("<think>t")), ElementsAre("unclosed_reasoning"));
  EXPECT_THAT(rules_of_messages(kUser + "," + says("<think>t</think>\\n")), ElementsAre("reasoning_without_answer"));
  EXPECT_THAT(rules_of_messages(kUser + R"(,{"role":"assistant","content":"","reasoning_content":"r"})"),
              ElementsAre("reasoning_without_answer"));
}

TEST(Validate, Calls) {
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "{") + "," + result("1") + "," + kAnswer),
              ElementsAre("bad_arguments"));
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "[1]") + "," + result("1") + "," + kAnswer),
              ElementsAre("bad_arguments"));
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "{}") + "," + result("2") + "," + kAnswer),
              ElementsAre("result_without_call", "unanswered_call"));
  EXPECT_THAT(rules_of_messages(kUser + "," + calls("1", "{}") + "," + kUser + "," + kAnswer),
              ElementsAre("unanswered_call"));
}

TEST(Validate, CallsAgainstTheirTools) {
  const std::string tools =
      R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":["x"],)"
      R"("properties":{"x":{"type":"number"},"y":{"type":["string","null"]}}}}}])";
  const auto check = [&](const std::string& arguments, const std::string& name = "f") {
    return rules_of_messages(kUser + "," + calls("1", arguments, name) + "," + result("1") + "," + kAnswer, tools);
  };
  EXPECT_THAT(check(R"({\"x\": 1, \"y\": null})"), ElementsAre());
  EXPECT_THAT(check("{}", "g"), ElementsAre("unknown_tool"));
  EXPECT_THAT(check("{}"), ElementsAre("arguments_against_schema"));
  EXPECT_THAT(check(R"({\"x\": \"1\"})"), ElementsAre("arguments_against_schema"));
  EXPECT_THAT(check(R"({\"x\": 1.5, \"z\": 1, \"y\": 2})"),
              ElementsAre("arguments_against_schema", "arguments_against_schema"));
}

}  // namespace
}  // namespace pelton::data
