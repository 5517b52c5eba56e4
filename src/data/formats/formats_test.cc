// Every format: what it means, and that what is written reads back as the same record.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "data/content_hash.h"
#include "data/record_parser.h"
#include "data/record_writer.h"

namespace pelton::data {
namespace {

using testing::HasSubstr;

// Keeps the bytes that a record looks into.
struct Parsed {
  explicit Parsed(std::string line, std::optional<Format> format = std::nullopt) : bytes(std::move(line)) {
    size = bytes.size();
    bytes.resize(size + 64);
    RecordParser parser(format);
    problem = parser.parse({bytes.data(), size}, source, 1, record, arena);
  }
  std::string bytes;
  size_t size;
  SourceFile source{.path = "f.jsonl"};
  Arena arena;
  Record record;
  Problem problem;
};

std::string as_text(std::span<const Message> messages) {
  std::string text;
  for (const Message& message : messages) {
    text += std::string(role_name(message.role)) + "(" + std::string(message.content) + ")";
    if (!message.reasoning.empty()) text += "thinks(" + std::string(message.reasoning) + ")";
    for (const ToolCall& call : message.tool_calls) {
      text += "calls(" + std::string(call.name) + " " + std::string(call.arguments) + ")";
    }
    if (!message.tool_call_id.empty()) text += "answers(" + std::string(message.tool_call_id) + ")";
    if (!message.extra.empty()) text += "extra(" + std::string(message.extra) + ")";
  }
  return text;
}

std::string as_text(const Record& record) {
  if (record.kind == RecordKind::kText) return std::string(record.text);
  std::string text = as_text(record.messages);
  if (record.kind == RecordKind::kPreference) text += " + " + as_text(record.chosen) + " - " + as_text(record.rejected);
  return text;
}

struct FormatCase {
  Format format;
  std::string line;
  std::string meaning;
};

const std::vector<FormatCase>& format_cases() {
  static const std::vector<FormatCase> kCases = {
      {Format::kText, R"({"text":"a\u00e9\n\"b\"\\"})", "aé\n\"b\"\\"},
      {Format::kText, R"({"content":"x","license":"mit"})", "x"},
      {Format::kMessages, R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},
       {"role":"assistant","content":"a","weight":0.5,"reasoning_content":"r"}]})",
       "system(s)user(q)assistant(a)thinks(r)extra(\"weight\":0.5)"},
      {Format::kMessages,
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"q1"},{"type":"text","text":"q2"}]},
       {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},
       {"id":"c2","type":"function","function":{"name":"g","arguments":{"y":[2]}}}]},
       {"role":"tool","tool_call_id":"c1","content":"3"}],"tools":[{"type":"function","function":{"name":"f"}}]})",
       R"(user(q1q2)assistant()calls(f {"x": 1})calls(g {"y":[2]})tool(3)answers(c1))"},
      {Format::kAlpaca, R"({"instruction":"add","input":"1 2","output":"3"})", "user(add\n\n1 2)assistant(3)"},
      {Format::kAlpaca,
       R"({"instruction":"i","input":"","output":"o","system":"s","history":[["q","a"]],"text":"whole"})",
       "system(s)user(q)assistant(a)user(i)assistant(o)"},
      {Format::kShareGpt,
       R"({"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a","markdown":null}],"system":"s"})",
       "system(s)user(q)assistant(a)extra(\"markdown\":null)"},
      {Format::kShareGpt,
       R"({"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},
       {"from":"observation","value":"2"},{"from":"gpt","value":"a"}],"tools":"[{\"name\":\"f\"}]"})",
       R"(user(q)assistant()calls(f {"x":1})tool(2)assistant(a))"},
      {Format::kUltraChat, R"({"data":["q","a","q2","a2"]})", "user(q)assistant(a)user(q2)assistant(a2)"},
      {Format::kHh,
       R"({"chosen":"\n\nHuman: q\n\nAssistant: a\n\nHuman: more\n\nAssistant: good","rejected":"\n\nHuman: q\n\nAssistant: a\n\nHuman: more\n\nAssistant: bad"})",
       "user(q)assistant(a)user(more) + assistant(good) - assistant(bad)"},
      {Format::kPromptCompletion, R"({"prompt":"q","completion":"a"})", "user(q)assistant(a)"},
      {Format::kPromptCompletion,
       R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]})",
       "user(q)assistant(a)"},
      {Format::kChosenRejected, R"({"prompt":"q","chosen":"good","rejected":"bad"})",
       "user(q) + assistant(good) - assistant(bad)"},
      {Format::kChosenRejected,
       R"({"prompt":"q","chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"good"}],
       "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"bad"}],"messages":[]})",
       "user(q) + assistant(good) - assistant(bad)"},
      {Format::kChosenRejected, R"({"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"good"}],
       "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"bad"}]})",
       "user(q) + assistant(good) - assistant(bad)"},
  };
  return kCases;
}

TEST(Formats, AreFoundAndRead) {
  for (const FormatCase& example : format_cases()) {
    const Parsed parsed(example.line);
    ASSERT_FALSE(parsed.problem) << *parsed.problem << example.line;
    EXPECT_EQ(format_name(parsed.record.format), format_name(example.format)) << example.line;
    EXPECT_EQ(as_text(parsed.record), example.meaning);
  }
}

// A format that can say what the record says, says it so that it reads back as the same.
TEST(Formats, EachIntoEachAndBack) {
  int conversions = 0;
  for (const FormatCase& example : format_cases()) {
    const Parsed from(example.line);
    for (const std::string_view name : format_names()) {
      const Format to = *format_named(name);
      std::string line;
      if (write_record(from.record, to, line)) {
        EXPECT_TRUE(line.empty());
        continue;
      }
      ++conversions;
      const Parsed back(line);
      ASSERT_FALSE(back.problem) << *back.problem << line;
      EXPECT_EQ(back.record.format, to) << line;
      EXPECT_EQ(content_hash(back.record), content_hash(from.record)) << line;
    }
    std::string own;
    EXPECT_FALSE(write_record(from.record, example.format, own));
    EXPECT_EQ(own, example.line);
  }
  EXPECT_GE(conversions, 40);
}

TEST(RecordWriter, AChangeTouchesOnlyWhatItMust) {
  Parsed parsed(R"({ "a" : [1,  {"t":"}"}], "text": "old", "score": 1.50, "u":"\u0041" })");
  ASSERT_FALSE(parsed.problem);
  parsed.record.text = "new \"one\"\n";
  set_field(parsed.record, "score", 2.5, parsed.arena);
  set_field(parsed.record, "language", std::string_view("en"), parsed.arena);
  parsed.record.changed_by = 1;
  std::string line;
  EXPECT_FALSE(write_record(parsed.record, std::nullopt, line));
  EXPECT_EQ(line, R"({"a":[1,  {"t":"}"}],"text":"new \"one\"\n","score":2.5,"u":"\u0041","language":"en"})");
}

TEST(RecordWriter, AMemberThatTheOtherFormatOwnsIsNotThereTwice) {
  const Parsed parsed(
      R"({"prompt":"q","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})");
  std::string line;
  EXPECT_FALSE(write_record(parsed.record, Format::kPromptCompletion, line));
  EXPECT_EQ(line, R"({"prompt":"q","completion":"a"})");
}

TEST(RecordParser, IdsFieldsAndSources) {
  Parsed parsed(
      R"({"id":17,"text":"t","meta":{"license":"mit","deep":{"x":true,"y":{"z":1}}},"tags":["a"],"none":null})");
  ASSERT_FALSE(parsed.problem);
  EXPECT_EQ(parsed.record.id, "17");
  EXPECT_EQ(license_of(parsed.record), "mit");
  EXPECT_EQ(std::get<bool>(find_field(parsed.record, "meta.deep.x")->value), true);
  EXPECT_EQ(find_field(parsed.record, "meta.deep.y.z"), nullptr);
  EXPECT_EQ(find_field(parsed.record, "tags"), nullptr);
  EXPECT_NE(find_field(parsed.record, "none"), nullptr);
  EXPECT_EQ(Parsed(R"({"text":"t"})").record.id, "f.jsonl:1");
}

TEST(RecordParser, SaysWhatIsWrong) {
  const auto problem_of = [](const std::string& line) { return Parsed(line).problem.value_or("none"); };
  EXPECT_THAT(problem_of(R"({"text": "a)"), HasSubstr("not valid JSON"));
  EXPECT_THAT(problem_of("{\"text\": \"\xff\"}"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(problem_of("[1]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(problem_of(R"({"a":1,"b":2})"), HasSubstr("no format of records has these members: a, b"));
  EXPECT_THAT(problem_of(R"({"messages":[{"role":"wizard","content":"x"}]})"),
              HasSubstr("message 1: the role 'wizard'"));
  EXPECT_THAT(problem_of(R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})"), HasSubstr("only text"));
  EXPECT_THAT(*Parsed(R"({"text":"t"})", Format::kAlpaca).problem, HasSubstr("not a record of format alpaca"));
  EXPECT_THAT(problem_of(std::string(2000, '[')), HasSubstr("not valid JSON"));
}

TEST(ContentHash, IsOfWhatIsSaid) {
  const auto hash_of = [](const std::string& line) { return Parsed(line).record.hash; };
  EXPECT_EQ(hash_of(R"({"text":"\u00e9","id":"1"})"), hash_of("{\"content\": \"é\"}"));
  EXPECT_NE(hash_of(R"({"data":["a","b"]})"), hash_of(R"({"data":["ab",""]})"));
  EXPECT_NE(hash_of(R"({"prompt":"q","chosen":"a","rejected":"b"})"),
            hash_of(R"({"prompt":"q","chosen":"b","rejected":"a"})"));
  // xxhsum -H2 of the bytes "hello"
  EXPECT_EQ(hash_of(R"({"text":"hello"})").to_hex(), "b5e9c1ad071b3e7fc779cfaa5e523818");
}

}  // namespace
}  // namespace pelton::data
