// Runs one step on a few records in memory, as the pipeline would, for tests.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/step.h"

namespace pelton::data {

class StepTestRun {
 public:
  // `options` is JSON.
  explicit StepTestRun(std::string_view name, std::string_view options = "{}")
      : json_(parse_json(options, "options")),
        options_(json_.get_object(), std::string(name)),
        step_(make_step(name, options_)) {}

  void add_text(std::string_view text) {
    Record record;
    record.text = keep(text);
    record.hash.low = std::hash<std::string_view>()(text);
    records_.push_back(record);
  }
  Record& add_chat(std::string_view question, std::string_view answer) {
    turns_.push_back({Message{.role = Role::kUser, .content = keep(question)},
                      Message{.role = Role::kAssistant, .content = keep(answer)}});
    Record record;
    record.kind = RecordKind::kChat;
    record.messages = turns_.back();
    records_.push_back(record);
    return records_.back();
  }
  Record& record(size_t index) { return records_[index]; }
  Arena& arena() { return arena_; }

  // What a record step says about each record.
  std::vector<Verdict> apply() {
    std::vector<Verdict> verdicts;
    const RecordStep& step = *std::get<std::unique_ptr<const RecordStep>>(step_);
    for (Record& record : records_) verdicts.push_back(step.apply(record, arena_));
    return verdicts;
  }

  // What a stream step decides, by record; changes are done.
  std::map<uint64_t, Decision> decide(int threads = 2) {
    const StreamStep& step = *std::get<std::unique_ptr<const StreamStep>>(step_);
    const auto folder = std::filesystem::path(testing::TempDir()) / "step_test_run";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder / "scratch");
    std::vector<SpillBuffer> buffers(step.spill_count());
    step.observe(records_, arena_, buffers);
    std::vector<SpillFile> files;
    for (size_t i = 0; i < buffers.size(); ++i) {
      const auto path = folder / std::to_string(i);
      std::ofstream(path, std::ios::binary) << buffers[i].bytes();
      files.emplace_back(path);
    }
    struct Collected final : Decisions {
      void add(const Decision& decision) override {
        EXPECT_TRUE(all.empty() || all.rbegin()->first < decision.record);
        all.emplace(decision.record, decision);
      }
      std::map<uint64_t, Decision> all;
    } collected;
    step.decide({records_.size(), files, folder / "scratch", size_t{1} << 20, threads}, collected);
    for (const auto& [record, decision] : collected.all) {
      if (decision.action == Verdict::Action::kChange) step.change(records_[record], decision.edit, arena_);
    }
    return collected.all;
  }

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }

  json::value json_;
  StepOptions options_;
  Step step_;
  Arena arena_;
  std::deque<std::string> texts_;
  std::deque<std::vector<Message>> turns_;
  std::vector<Record> records_;
};

}  // namespace pelton::data
