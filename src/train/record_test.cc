#include "train/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "train/record_reader.h"

namespace pelton {
namespace {

Record parse(std::string_view line) { return parse_record(parse_json(line, "line")); }

std::string refusal(std::string_view line) {
  try {
    parse(line);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "taken";
}

TEST(Record, FormsAreToldByTheirKeys) {
  EXPECT_EQ(parse(R"({"text": "a"})").form, RecordForm::kText);
  EXPECT_EQ(parse(R"({"prompt": "a", "completion": "b"})").form, RecordForm::kCompletion);
  EXPECT_EQ(parse(R"({"messages": [{"role": "assistant", "content": "b"}]})").form, RecordForm::kChat);
  EXPECT_EQ(parse(R"({"prompt": "a", "chosen": "b", "rejected": "c"})").form, RecordForm::kPreference);
  const Record labelled = parse(R"({"prompt": "a", "completion": "b", "label": false})");
  EXPECT_EQ(labelled.form, RecordForm::kLabelled);
  EXPECT_EQ(labelled.is_desirable, false);
}

TEST(Record, AlpacaAndShareGptBecomeMessages) {
  const Record alpaca = parse(R"({"instruction": "Add.", "input": "1 2", "output": "3"})");
  EXPECT_EQ(json::serialize(std::get<json::array>(alpaca.answers.at(0))),
            R"([{"role":"user","content":"Add.\n\n1 2"},{"role":"assistant","content":"3"}])");
  const Record shared =
      parse(R"({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]})");
  EXPECT_EQ(json::serialize(std::get<json::array>(shared.answers.at(0))),
            R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}])");
}

TEST(Record, PreferencesWithoutAPromptShareTheirBeginning) {
  const Record record = parse(R"({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
                                  "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]})");
  EXPECT_EQ(json::serialize(std::get<json::array>(record.prompt)), R"([{"role":"user","content":"q"}])");
  EXPECT_EQ(json::serialize(std::get<json::array>(record.answers.at(1))), R"([{"role":"assistant","content":"b"}])");
}

TEST(Record, PreferencesInOpenAisFormHaveAChatBeforeThem) {
  const Record record = parse(R"({"input": {"messages": [{"role": "user", "content": "q"}], "tools": [{"a": 1}]},
                                  "preferred_output": [{"role": "assistant", "content": "a"}],
                                  "non_preferred_output": [{"role": "assistant", "content": "b"}]})");
  EXPECT_EQ(record.form, RecordForm::kPreference);
  EXPECT_EQ(json::serialize(std::get<json::array>(record.prompt)), R"([{"role":"user","content":"q"}])");
  EXPECT_EQ(json::serialize(std::get<json::array>(record.answers.at(0))), R"([{"role":"assistant","content":"a"}])");
  EXPECT_EQ(json::serialize(std::get<json::array>(record.answers.at(1))), R"([{"role":"assistant","content":"b"}])");
  EXPECT_EQ(json::serialize(record.tools), R"([{"a":1}])");
  EXPECT_THAT(refusal(R"({"input": "q", "preferred_output": [{"role": "assistant", "content": "a"}],
                          "non_preferred_output": [{"role": "assistant", "content": "b"}]})"),
              testing::HasSubstr("\"input\""));
  EXPECT_THAT(refusal(R"({"input": {"messages": [{"role": "user", "content": "q"}]},
                          "preferred_output": [{"role": "assistant", "content": "a"}],
                          "non_preferred_output": [{"role": "assistant", "content": "a"}]})"),
              testing::HasSubstr("the same"));
}

TEST(Record, WeightsAreZeroOrOne) {
  EXPECT_EQ(parse(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0},
                                   {"role": "assistant", "content": "b", "weight": 1}]})")
                .form,
            RecordForm::kChat);
  EXPECT_THAT(refusal(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]})"),
              testing::HasSubstr("messages[0]: \"weight\""));
}

TEST(Record, WhatCannotBeUsedIsRefusedWithTheReason) {
  EXPECT_THAT(refusal("[1]"), testing::HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(R"({"question": "a"})"), testing::HasSubstr("no known form"));
  EXPECT_THAT(refusal(R"({"text": ""})"), testing::HasSubstr("\"text\" is empty"));
  EXPECT_THAT(refusal(R"({"text": 5})"), testing::HasSubstr("\"text\""));
  EXPECT_THAT(refusal(R"({"prompt": "a", "completion": ""})"), testing::HasSubstr("\"completion\" is empty"));
  EXPECT_THAT(refusal(R"({"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]})"),
              testing::HasSubstr("both be texts"));
  EXPECT_THAT(refusal(R"({"prompt": "a", "completion": "b", "label": 1})"), testing::HasSubstr("\"label\""));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": "a"}]})"), testing::HasSubstr("assistant"));
  EXPECT_THAT(refusal(R"({"messages": [{"content": "a"}]})"), testing::HasSubstr("messages[0] has no \"role\""));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]})"),
              testing::HasSubstr("messages[1]: the assistant says nothing"));
  EXPECT_THAT(refusal(R"({"prompt": "a", "chosen": "b"})"), testing::HasSubstr("\"rejected\" is missing"));
  EXPECT_THAT(refusal(R"({"prompt": "a", "chosen": "b", "rejected": "b"})"), testing::HasSubstr("the same"));
  EXPECT_THAT(refusal(R"({"chosen": "b", "rejected": "c"})"), testing::HasSubstr("\"prompt\" is missing"));
  EXPECT_THAT(refusal(R"({"conversations": [{"from": "dog", "value": "a"}]})"), testing::HasSubstr("\"dog\""));
}

TEST(RecordReader, ABadRecordStopsWithFileLineAndReasonOrIsCounted) {
  const TestFolder folder;
  const auto file = folder.write("data.jsonl", "{\"text\": \"a\"}\n\n{\"text\": }\n{\"text\": \"b\"}\n");
  try {
    read_records({file}, BadRecord::kStop, [](const Record&) {});
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message(), testing::HasSubstr("data.jsonl:3: "));
  }
  std::vector<std::string> places;
  const RecordCounts counts =
      read_records({file}, BadRecord::kSkip, [&](const Record& record) { places.push_back(record.place()); });
  EXPECT_EQ(places, (std::vector<std::string>{file.string() + ":1", file.string() + ":4"}));
  EXPECT_EQ(counts.taken(), 2);
  EXPECT_EQ(counts.skipped, 1);
  EXPECT_THAT(counts.first_skipped, testing::HasSubstr("data.jsonl:3: "));
  EXPECT_THROW(read_records({folder.path() / "none"}, BadRecord::kSkip, [](const Record&) {}), Error);
}

// What the one who takes a record refuses is the record's fault too, and no longer counts as taken.
TEST(RecordReader, ARefusedRecordIsBad) {
  const TestFolder folder;
  const auto file = folder.write("data.jsonl", "{\"text\": \"a\"}\n");
  const auto refuse = [](const Record&) { throw Error(ErrorCode::kInvalidArgument, "too long"); };
  const RecordCounts counts = read_records({file}, BadRecord::kSkip, refuse);
  EXPECT_EQ(counts.taken(), 0);
  EXPECT_THAT(counts.first_skipped, testing::HasSubstr("data.jsonl:1: too long"));
}

// What pyarrow wrote: chats as nested lists, three row groups.
TEST(RecordReader, ReadsParquetRowByRow) {
  const std::filesystem::path file = std::string(kGoldenDir) + "/data/pyarrow.parquet";
  std::vector<Record> records;
  const RecordCounts counts =
      read_records({file}, BadRecord::kStop, [&](const Record& record) { records.push_back(record); });
  EXPECT_EQ(counts.by_form, (std::map<RecordForm, int64_t>{{RecordForm::kChat, 10}}));
  ASSERT_EQ(records.size(), 10u);
  EXPECT_EQ(records[9].place(), file.string() + ":10");
  const json::array& messages = std::get<json::array>(records[4].answers.at(0));
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[2].at("tool_calls").at(0).at("function").at("name"), "look");

  const TestFolder folder;
  const auto damaged = folder.write("cut.parquet", read_file(file, 1 << 20).substr(0, 9000));
  EXPECT_EQ(read_records({damaged}, BadRecord::kSkip, [](const Record&) {}).skipped, 1);
  EXPECT_THROW(read_records({damaged}, BadRecord::kStop, [](const Record&) {}), Error);
}

}  // namespace
}  // namespace pelton
