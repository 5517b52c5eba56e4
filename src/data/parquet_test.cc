// Parquet in and out, against lines of JSON and a file that pyarrow wrote.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/input_files.h"
#include "data/parquet_writer.h"
#include "data/run.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kSeed = 31;

std::vector<json::value> parsed_lines(const std::string& text) {
  std::vector<json::value> values;
  for (const std::string& line : lines_of(text)) values.push_back(json::parse(line));
  return values;
}

std::string all_lines(const std::string& path) {
  const std::vector<InputFile> files = find_input_files(std::vector<std::string>{path});
  return read_all(*open_lines(files.at(0)), size_t{1} << 30);
}

std::string golden(std::string_view name) { return read_file(fmt::format("{}/data/{}", kGoldenDir, name), 1 << 20); }

// Chats and fields of all types; no nulls, which rows do not show.
std::string some_lines(int count) {
  Rng rng(kSeed);
  std::string lines;
  for (int i = 0; i < count; ++i) {
    json::array messages;
    for (uint64_t turn = 0; turn < 1 + rng.next_below(4); ++turn) {
      std::string content(rng.next_below(400), 'a');
      for (char& letter : content) letter = static_cast<char>('a' + rng.next_below(26));
      messages.push_back({{"role", turn % 2 == 0 ? "user" : "assistant"}, {"content", content + " é\n\"🎉"}});
    }
    json::object record = {{"id", fmt::format("r{}", i)}, {"messages", std::move(messages)}, {"n", i}};
    if (i % 3 == 0) record["score"] = static_cast<double>(i) / 4;
    if (i % 5 == 0)
      record["meta"] = json::object{{"tags", json::array{"x", fmt::format("t{}", i)}}, {"ok", i % 2 == 0}};
    if (i > count / 2) record["late"] = "seen late";
    lines += json::serialize(record) + "\n";
  }
  return lines;
}

TEST(Parquet, ReadsWhatPyarrowWrote) {
  const TestFiles files;
  const std::string path = files.write("a.parquet", golden("pyarrow.parquet"));
  const std::vector<json::value> read = parsed_lines(all_lines(path));
  std::vector<json::value> expected = parsed_lines(golden("pyarrow.jsonl"));
  ASSERT_EQ(read.size(), expected.size());
  for (size_t i = 0; i < read.size(); ++i) {
    json::object row = expected[i].as_object();
    row["price"] = read[i].at("price");  // decimals: below
    EXPECT_EQ(read[i], json::value(row)) << i;
  }
  EXPECT_DOUBLE_EQ(std::stod(json::serialize(read[9].at("price")).substr(read[9].at("price").is_string() ? 1 : 0)),
                   2.25);
}

TEST(Parquet, LinesComeBackAsTheyWere) {
  const TestFiles files;
  const std::string lines = some_lines(700);
  const std::string from = files.write("a.jsonl", lines);
  write_parquet(from, files.path("a.parquet"), {.thread_count = 2, .group_bytes = 20'000});
  EXPECT_EQ(parsed_lines(all_lines(files.path("a.parquet"))), parsed_lines(lines));
}

TEST(Parquet, TheBytesDoNotDependOnThreads) {
  const TestFiles files;
  const std::string from = files.write("a.jsonl", some_lines(400));
  write_parquet(from, files.path("1.parquet"), {.thread_count = 1, .group_bytes = 20'000});
  write_parquet(from, files.path("3.parquet"), {.thread_count = 3, .group_bytes = 20'000});
  EXPECT_EQ(files.read("1.parquet"), files.read("3.parquet"));
}

TEST(Parquet, WhatIsOfSeveralKindsIsJsonAndSaid) {
  const TestFiles files;
  const std::string from = files.write("a.jsonl", "{\"text\":\"x\",\"v\":1}\n{\"text\":\"y\",\"v\":{\"k\":[2]}}\n");
  std::vector<std::string> notes;
  write_parquet(from, files.path("a.parquet"), {.on_note = [&](std::string_view note) { notes.emplace_back(note); }});
  EXPECT_EQ(all_lines(files.path("a.parquet")),
            "{\"text\":\"x\",\"v\":\"1\"}\n{\"text\":\"y\",\"v\":\"{\\\"k\\\":[2]}\"}\n");
  EXPECT_THAT(notes, ElementsAre(HasSubstr("in a column of text: v")));
}

// Every cut, and bytes changed anywhere: rows, or an error that says so.
TEST(Parquet, DamagedFilesAreToldNotBelieved) {
  const TestFiles files;
  const std::string good = golden("pyarrow.parquet");
  const std::string path = files.path("bad.parquet");
  Rng rng(kSeed);
  int refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    files.write("bad.parquet", bytes);
    try {
      all_lines(path);
    } catch (const Error& error) {
      ++refused;
      EXPECT_TRUE(error.code() == ErrorCode::kCorruptFile) << error.message();
    }
  };
  for (size_t size = 0; size < good.size(); size += 97) attempt(good.substr(0, size));
  EXPECT_EQ(refused, static_cast<int>((good.size() + 96) / 97)) << "no part of a file is one";
  constexpr int kDamages = 300;
  for (int i = 0; i < kDamages; ++i) {
    std::string bytes = good;
    // The last third is the footer: what everything else is believed by.
    const size_t from = i % 2 == 0 ? bytes.size() * 2 / 3 : 0;
    for (int changes = 0; changes < 3; ++changes) {
      bytes[from + rng.next_below(bytes.size() - from)] = static_cast<char>(rng.next_below(256));
    }
    attempt(bytes);
  }
}

RunReport run_text(const std::string& text) { return run_recipe(read_recipe(text, "test", {}), {.block_bytes = 5000}); }

TEST(Parquet, ARecipeReadsAndWritesIt) {
  const TestFiles files;
  const std::string lines = some_lines(300);
  files.write("a.jsonl", lines);
  run_text(fmt::format("input: {}\noutput: {}\n", files.path("a.jsonl"), files.path("a.parquet")));
  const RunReport report = run_text(
      fmt::format("input: {}\noutput: {}\nsteps: [exact]\n", files.path("a.parquet"), files.path("b.parquet")));
  EXPECT_EQ(report.counts.records, 300u);
  EXPECT_EQ(parsed_lines(all_lines(files.path("b.parquet"))), parsed_lines(lines));
  EXPECT_FALSE(files.has("b.pelton-run"));
  EXPECT_TRUE(files.has("b.dropped.jsonl"));
}

TEST(Parquet, ADamagedFileGoesToQuarantineAndTheRestThrough) {
  const TestFiles files;
  files.write("in/a.parquet", golden("pyarrow.parquet").substr(0, 5000));
  files.write("in/b.jsonl", "{\"text\":\"x\"}\n");
  const RunReport report = run_text(fmt::format("input: {}\noutput: {}\n", files.path("in"), files.path("out.jsonl")));
  EXPECT_EQ(report.counts.records, 1u);
  EXPECT_EQ(report.counts.bad_lines, 1u);
  EXPECT_THAT(files.read("out.quarantine.jsonl"), HasSubstr("as Parquet it cannot be read"));
}

TEST(Parquet, AnEmptyOutputIsAFileToo) {
  const TestFiles files;
  files.write("a.jsonl", "");
  run_text(fmt::format("input: {}\noutput: {}\n", files.path("a.jsonl"), files.path("b.parquet")));
  EXPECT_THAT(all_lines(files.path("b.parquet")), IsEmpty());
}

}  // namespace
}  // namespace pelton::data
