// Near duplicates of what earlier runs kept, by whole recipes.
#include "data/sketch_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/run.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

constexpr uint64_t kSeed = 12;

// Every third text is one of before, with some words changed.
std::vector<std::string> some_lines(int count) {
  Rng rng(kSeed);
  std::vector<std::string> texts;
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) {
    std::string text;
    if (i % 3 == 2) {
      text = texts[rng.next_below(texts.size())] + fmt::format(" and more {}", i);
    } else {
      for (int word = 0; word < 80; ++word) text += fmt::format("w{} ", rng.next_below(5000));
    }
    texts.push_back(text);
    lines.push_back(json::serialize(json::object{{"id", fmt::format("r{}", i)}, {"text", text}}) + "\n");
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) text += lines[i];
  return text;
}

void run_minhash(const TestFiles& files, const std::string& input, const std::string& output,
                 const std::string& options, bool is_trial = false) {
  const std::string recipe =
      fmt::format("input: {}\noutput: {}\nsteps: [minhash: {{{}}}]\n", files.path(input), files.path(output), options);
  run_recipe(read_recipe(recipe, "test", {}), {.block_bytes = 3000, .is_trial = is_trial});
}

// id → what it is a duplicate of.
std::map<std::string, std::string> dropped(const TestFiles& files, const std::string& name) {
  std::map<std::string, std::string> of;
  for (const std::string& line : lines_of(files.read(name))) {
    const json::value row = json::parse(line);
    of.emplace(row.at("id").as_string(), row.at("duplicate_of").as_string());
  }
  return of;
}

TEST(SketchIndex, RunsOneAfterAnotherDropWhatOneRunDrops) {
  const TestFiles files;
  const std::vector<std::string> lines = some_lines(240);
  files.write("all.jsonl", joined(lines, 0, lines.size()));
  run_minhash(files, "all.jsonl", "whole.jsonl", "");
  const auto expected = dropped(files, "whole.dropped.jsonl");
  ASSERT_GT(expected.size(), 50u);

  const std::string index = "index: " + files.path("index");
  std::map<std::string, std::string> in_parts;
  std::string kept;
  for (size_t part = 0; part < 3; ++part) {
    const std::string name = fmt::format("p{}", part);
    files.write(name + ".jsonl", joined(lines, part * 80, (part + 1) * 80));
    run_minhash(files, name + ".jsonl", name + "out.jsonl", index);
    kept += files.read(name + "out.jsonl");
    in_parts.merge(dropped(files, name + "out.dropped.jsonl"));
  }
  EXPECT_EQ(kept, files.read("whole.jsonl"));
  std::set<std::string> ids, expected_ids;
  for (const auto& [id, of] : in_parts) ids.insert(id);
  for (const auto& [id, of] : expected) expected_ids.insert(id);
  EXPECT_EQ(ids, expected_ids);
  // What they name was kept, by whichever run.
  for (const auto& [id, of] : in_parts) {
    EXPECT_TRUE(kept.find(fmt::format("\"id\":\"{}\"", of)) != std::string::npos || ids.contains(of)) << id;
  }
}

TEST(SketchIndex, ARunDoneAgainDoesNotMeetItself) {
  const TestFiles files;
  const std::vector<std::string> lines = some_lines(100);
  files.write("a.jsonl", joined(lines, 0, 50));
  files.write("b.jsonl", joined(lines, 50, 100));
  const std::string index = "index: " + files.path("index");
  run_minhash(files, "a.jsonl", "aout.jsonl", index);
  run_minhash(files, "b.jsonl", "bout.jsonl", index);
  const std::string before = files.read("bout.jsonl");
  run_minhash(files, "b.jsonl", "again.jsonl", index);
  EXPECT_EQ(files.read("again.jsonl"), before);
  EXPECT_EQ(files.read("bout.dropped.jsonl"), files.read("again.dropped.jsonl"));
}

TEST(SketchIndex, ATrialLeavesItAsItWas) {
  const TestFiles files;
  files.write("a.jsonl", joined(some_lines(20), 0, 20));
  run_minhash(files, "a.jsonl", "out.jsonl", "index: " + files.path("index"), true);
  EXPECT_FALSE(files.has("index"));
}

TEST(SketchIndex, OfOtherOptionsOrDamagedIsRefused) {
  const TestFiles files;
  files.write("a.jsonl", joined(some_lines(20), 0, 20));
  files.write("b.jsonl", joined(some_lines(20), 0, 10));
  const std::string index = "index: " + files.path("index");
  run_minhash(files, "a.jsonl", "out.jsonl", index);
  const auto code_of = [&](const std::string& options) {
    try {
      run_minhash(files, "b.jsonl", "other.jsonl", options);
      return ErrorCode::kInternal;
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code_of(index + ", ngram: 4"), ErrorCode::kInvalidArgument);
  for (const auto& segment : std::filesystem::directory_iterator(files.path("index"))) {
    for (const char* name : {"heads", "shingles", "ids", "id-ends", "keys-3"}) {
      const std::filesystem::path path = segment.path() / name;
      const std::string bytes = read_file(path, size_t{1} << 20);
      ASSERT_GE(bytes.size(), 8u);
      replace_file(path, bytes.substr(0, bytes.size() - 8));
      EXPECT_EQ(code_of(index), ErrorCode::kCorruptFile) << name;
      replace_file(path, bytes);
    }
  }
}

}  // namespace
}  // namespace pelton::data
