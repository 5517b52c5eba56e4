#include "text/answer_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/grammar_check.h"

namespace pelton {
namespace {

struct Parsed {
  std::string reasoning, content;
  std::vector<std::pair<std::string, std::string>> calls;

  bool operator==(const Parsed&) const = default;
};

Parsed parse(const AnswerSyntax& syntax, std::string_view text, size_t piece_size) {
  AnswerParser parser(syntax);
  Parsed parsed;
  const auto take = [&](const AnswerDelta& delta) {
    parsed.reasoning += delta.reasoning;
    parsed.content += delta.content;
    for (const ToolCallDelta& call : delta.calls) {
      if (call.name) parsed.calls.emplace_back(*call.name, "");
      ASSERT_EQ(call.index + 1, parsed.calls.size());
      parsed.calls.back().second += call.arguments;
    }
  };
  for (size_t begin = 0; begin < text.size(); begin += piece_size) take(parser.push(text.substr(begin, piece_size)));
  take(parser.finish());
  EXPECT_EQ(parser.call_count(), parsed.calls.size());
  return parsed;
}

// However it is cut.
void expect(const AnswerSyntax& syntax, std::string_view text, const Parsed& expected) {
  for (size_t size = 1; size <= text.size() + 1; ++size) {
    const Parsed parsed = parse(syntax, text, size);
    EXPECT_EQ(parsed.reasoning, expected.reasoning) << text << " in pieces of " << size;
    EXPECT_EQ(parsed.content, expected.content) << text << " in pieces of " << size;
    EXPECT_EQ(parsed.calls, expected.calls) << text << " in pieces of " << size;
  }
}

AnswerSyntax with(ToolForm form) { return {.tools = form, .tool_names = {"f", "g"}}; }

TEST(AnswerParser, PlainTextIsContentAlone) {
  expect({}, "<think>x</think> {\"name\": \"f\"}", {"", "<think>x</think> {\"name\": \"f\"}", {}});
}

TEST(AnswerParser, Reasoning) {
  const AnswerSyntax may{.has_reasoning = true};
  const AnswerSyntax begins{.has_reasoning = true, .begins_in_reasoning = true};
  expect(may, "\n<think>\nhm < 3\n</think>\n\nYes.", {"hm < 3\n", "Yes.", {}});
  expect(may, "Yes. <think>", {"", "Yes. <think>", {}});
  expect(may, "<thin", {"", "<thin", {}});
  expect(begins, "hm </thin", {"hm </thin", "", {}});
  expect(begins, "\nhm</think>\n\n a</think>", {"hm", "a</think>", {}});
  expect(begins, "</think>Yes", {"", "Yes", {}});
  EXPECT_TRUE(reasoning_syntax("… </think> …", "<|im_start|>assistant\n<think>\n").begins_in_reasoning);
  EXPECT_FALSE(reasoning_syntax("… </think> …", "<think>\n\n</think>\n\n").begins_in_reasoning);
  EXPECT_TRUE(reasoning_syntax("… </think> …", "").has_reasoning);
  EXPECT_FALSE(reasoning_syntax("", "<think>").begins_in_reasoning);
}

TEST(AnswerParser, Hermes) {
  const AnswerSyntax syntax = with(ToolForm::kHermes);
  expect(syntax, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"</tool_call>\"}}\n</tool_call>",
         {"", "", {{"f", "{\"a\": \"}\\\"</tool_call>\"}"}}});
  // Any name: the model marked it as a call. Arguments first, none, or as text.
  expect(syntax,
         "Hm.\n<tool_call>{\"arguments\":{},\"name\":\"h\"}</tool_call>\n<tool_call>{\"name\":\"g\"}</tool_call> Bye",
         {"", "Hm.\nBye", {{"h", "{}"}, {"g", "{}"}}});
  expect(syntax, "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}", {"", "", {{"f", "{\"a\":1}"}}});
  // What only looks like one is what the user sees.
  expect(syntax, "a <tool_call> b", {"", "a <tool_call> b", {}});
  expect(syntax, "<tool_call>{\"nam", {"", "<tool_call>{\"nam", {}});
  expect(syntax, "<tool_cal", {"", "<tool_cal", {}});
  expect(syntax, "<tool_call>{\"name\":\"\"}", {"", "<tool_call>{\"name\":\"\"}", {}});
  expect(syntax, "<tool_call>{\"name\": 5}", {"", "<tool_call>{\"name\": 5}", {}});
  // Cut off by the length: what is there is given.
  expect(syntax, "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":[1,", {"", "", {{"f", "{\"a\":[1,"}}});
}

TEST(AnswerParser, Llama3) {
  const AnswerSyntax syntax = with(ToolForm::kLlama3);
  expect(syntax, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", {"", "", {{"f", "{\"a\": 1}"}}});
  expect(syntax,
         " {\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
         {"", "", {{"f", "{}"}, {"g", "{}"}}});
  // JSON that the user asked for is no call.
  expect(syntax, "{\"name\": \"Ada\", \"age\": 36}", {"", "{\"name\": \"Ada\", \"age\": 36}", {}});
  expect(syntax, "{\"a\": 1} {\"name\": \"f\"}", {"", "{\"a\": 1} {\"name\": \"f\"}", {}});
  expect(syntax, "Well, {\"name\": \"f\"}", {"", "Well, {\"name\": \"f\"}", {}});
}

TEST(AnswerParser, Mistral) {
  const AnswerSyntax syntax = with(ToolForm::kMistral);
  expect(syntax, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": [[]]}}, {\"name\": \"g\", \"arguments\": {}}]",
         {"", "", {{"f", "{\"a\": [[]]}"}, {"g", "{}"}}});
  expect(syntax, "No [TOOL", {"", "No [TOOL", {}});
}

TEST(AnswerParser, Json) {
  const AnswerSyntax syntax = with(ToolForm::kJson);
  expect(syntax, "[{\"name\":\"f\",\"arguments\":{}},\n{\"name\":\"g\",\"arguments\":{\"x\":null}}]",
         {"", "", {{"f", "{}"}, {"g", "{\"x\":null}"}}});
  expect(syntax, "[1, 2]", {"", "[1, 2]", {}});
  expect(syntax, "[", {"", "[", {}});
  expect(syntax, "{\"name\": null}", {"", "{\"name\": null}", {}});
}

TEST(AnswerParser, Harmony) {
  const AnswerSyntax syntax{.is_harmony = true};
  expect(syntax, "<|channel|>analysis<|message|>Hm <b>.<|end|><|start|>assistant<|channel|>final<|message|>Yes <|x",
         {"Hm <b>.", "Yes <|x", {}});
  expect(syntax,
         "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
         "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": \"<|\"}",
         {"a", "I look.", {{"f", "{\"a\": \"<|\"}"}}});
  // The recipient may come first; tools of the system's own are not the user's.
  expect(syntax, " to=functions.g<|channel|>commentary json<|message|>{}<|call|>", {"", "", {{"g", "{}"}}});
  expect(syntax, "<|channel|>commentary to=python<|message|>1+1<|end|><|start|>assistant<|channel|>final<|message|>2",
         {"", "2", {}});
  expect(syntax, "no form", {"", "no form", {}});
  EXPECT_TRUE(reasoning_syntax("<|channel|>", "").is_harmony);
}

TEST(ToolForm, IsFoundByTheTemplate) {
  EXPECT_EQ(detect_tool_form("{% if tools %}<tool_call>{% endif %}"), ToolForm::kHermes);
  EXPECT_EQ(detect_tool_form("[TOOL_CALLS]"), ToolForm::kMistral);
  EXPECT_EQ(detect_tool_form("<|start_header_id|>{{ tools }}"), ToolForm::kLlama3);
  EXPECT_EQ(detect_tool_form("<|start_header_id|>"), ToolForm::kJson);
  EXPECT_EQ(detect_tool_form("<|channel|>"), ToolForm::kHarmony);
  EXPECT_THROW(detect_tool_form("<function=f>"), Error);
  EXPECT_EQ(tool_form_by_name("hermes"), ToolForm::kHermes);
  EXPECT_THROW(tool_form_by_name("pythonic"), Error);
}

// What the grammar of a form makes, the parser of the form reads.
TEST(ToolForm, TheGrammarMakesWhatTheParserReads) {
  const std::vector<Tool> tools = {
      {"f", parse_json(R"({"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"required":["a"],
                           "additionalProperties":false,"$defs":{"n":{"type":"integer"}}})",
                       "schema")},
      {"g", parse_json(R"({"type":"object","properties":{},"additionalProperties":false})", "schema")}};
  struct Case {
    ToolForm form;
    const char* one;
    const char* two;
  };
  const Case cases[] = {
      {ToolForm::kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 5}}\n</tool_call>",
       "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 5}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", "
       "\"arguments\": {}}\n</tool_call>"},
      {ToolForm::kLlama3, "{\"name\": \"f\", \"parameters\": {\"a\": 5}}",
       "{\"name\": \"f\", \"parameters\": {\"a\": 5}}; {\"name\": \"g\", \"parameters\": {}}"},
      {ToolForm::kJson, "{\"name\": \"f\", \"arguments\": {\"a\": 5}}",
       "[{\"name\": \"f\", \"arguments\": {\"a\": 5}}, {\"name\": \"g\", \"arguments\": {}}]"},
  };
  const auto tokenizer = byte_tokenizer();
  for (const Case& c : cases) {
    const GrammarCheck parallel(tool_grammar(c.form, tools, *tokenizer, {}));
    const GrammarCheck single(tool_grammar(c.form, tools, *tokenizer, {.is_parallel = false}));
    EXPECT_TRUE(parallel.accepts(c.one)) << c.one;
    EXPECT_TRUE(parallel.accepts(c.two)) << c.two;
    EXPECT_TRUE(single.accepts(c.one)) << c.one;
    EXPECT_FALSE(single.accepts(c.two)) << c.two;
    EXPECT_FALSE(parallel.accepts("Well."));
    std::string wrong = c.one;
    wrong.replace(wrong.find('5'), 1, "\"\"");
    EXPECT_FALSE(parallel.accepts(wrong));
    expect(with(c.form), c.one, {"", "", {{"f", "{\"a\": 5}"}}});
    expect(with(c.form), c.two, {"", "", {{"f", "{\"a\": 5}"}, {"g", "{}"}}});
  }
  // The vocabulary of bytes has no such token.
  EXPECT_THROW(tool_grammar(ToolForm::kMistral, tools, *tokenizer, {}), Error);
  EXPECT_THROW(tool_grammar(ToolForm::kJson, {{"h", parse_json(R"({"not":{}})", "schema")}}, *tokenizer, {}), Error);
}

}  // namespace
}  // namespace pelton
