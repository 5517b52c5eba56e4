// Whole recipes, from files to files.
#include "data/run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "data/test_files.h"
#include "data/trace.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kSeed = 20;

// Some texts several times, some lines that are no record, some that are blank, in two files.
void write_corpus(const TestFiles& files) {
  Rng rng(kSeed);
  for (const std::string name : {"in/a.jsonl", "in/b.jsonl"}) {
    std::string lines;
    for (int i = 0; i < 150; ++i) {
      const uint64_t text = rng.next_below(90);
      if (rng.next_below(20) == 0) lines += "  \n";
      if (rng.next_below(30) == 0) lines += "{\"text\": broken\n";
      lines += fmt::format("{{\"id\": \"{}{}\", \"text\": \"number {}{}\", \"score\": {}}}\n", name[3], i, text,
                           std::string(text, '.'), rng.next_below(10));
    }
    files.write(name, lines.substr(0, lines.size() - 1));  // no newline at the end
  }
}

std::string recipe_text(const TestFiles& files, std::string_view steps, std::string_view output = "out.jsonl") {
  return fmt::format("input: {}\noutput: {}\nsteps: {}\n", files.path("in"), files.path(output), steps);
}

RunReport run_text(const std::string& text, RunOptions options = {}) {
  const Recipe recipe = read_recipe(text, "test", {});
  options.block_bytes = 700;
  return run_recipe(recipe, options);
}

// The names of all that a run leaves, with their bytes.
std::map<std::string, std::string> results(const TestFiles& files) {
  std::map<std::string, std::string> all;
  for (const std::string name :
       {"out.jsonl", "out.dropped.jsonl", "out.quarantine.jsonl", "out.lineage.jsonl.zst", "out.manifest.json"}) {
    all[name] = files.read(name);
    std::filesystem::remove(files.path(name));
  }
  return all;
}

// What the steps of the tests do; the same in a plain loop below.
constexpr std::string_view kOneStep = "[exact]";
constexpr std::string_view kTwoSteps = "[exact: {keep: best}, exact: {normalize: case}]";
constexpr std::string_view kReordered =
    "[exact: {keep: best}, curriculum: {by: score, levels: 3}, exact: {normalize: case}]";

TEST(Run, ExactDuplicatesGoAndTheRestStaysByteForByte) {
  const TestFiles files;
  write_corpus(files);
  const RunReport report = run_text(recipe_text(files, kOneStep));

  std::map<std::string, std::string> first_of_text;  // its id
  std::vector<std::string> kept;
  std::vector<std::string> dropped;
  uint64_t bad = 0;
  for (const std::string name : {"in/a.jsonl", "in/b.jsonl"}) {
    uint64_t number = 0;
    for (const std::string& line : lines_of(files.read(name))) {
      ++number;
      if (line.find_first_not_of(' ') == std::string::npos) continue;
      if (line.find("broken") != std::string::npos) {
        ++bad;
        continue;
      }
      const json::object object = json::parse(line).as_object();
      const std::string id(object.at("id").as_string());
      const std::string text(object.at("text").as_string());
      const auto [first, is_first] = first_of_text.emplace(text, id);
      if (is_first) {
        kept.push_back(line);
      } else {
        dropped.push_back(fmt::format(R"({{"id":"{}","step":"exact","reason":"exact_duplicate","duplicate_of":"{}",)"
                                      R"("similarity":1,"source":"{}","line":{}}})",
                                      id, first->second, files.path(name), number));
      }
    }
  }
  EXPECT_EQ(lines_of(files.read("out.jsonl")), kept);
  EXPECT_EQ(lines_of(files.read("out.dropped.jsonl")), dropped);
  EXPECT_EQ(lines_of(files.read("out.quarantine.jsonl")).size(), bad);
  EXPECT_GT(bad, 0u);
  EXPECT_EQ(report.counts.records, kept.size() + dropped.size());
  EXPECT_EQ(report.counts.kept, kept.size());
  EXPECT_EQ(report.counts.steps[0].dropped, dropped.size());
  EXPECT_EQ(report.counts.bad_lines, bad);
  EXPECT_FALSE(files.has("out.pelton-run"));
}

TEST(Run, SameBytesForAnyNumberOfThreads) {
  const TestFiles files;
  write_corpus(files);
  for (const std::string_view steps : {kOneStep, kTwoSteps, kReordered, std::string_view("[]")}) {
    run_text(recipe_text(files, steps));
    const auto expected = results(files);
    for (const size_t thread_count : {2, 5}) {
      RunOptions options;
      options.thread_count = thread_count;
      run_text(recipe_text(files, steps), options);
      EXPECT_EQ(results(files), expected) << steps << " " << thread_count;
    }
  }
}

struct Killed {};

// Ends without saying goodbye after each number of blocks, in each phase; the run that goes on leaves the same bytes.
class KilledRun : public testing::TestWithParam<std::string_view> {};

TEST_P(KilledRun, GoesOnAfterEveryBlock) {
  const TestFiles files;
  write_corpus(files);
  const std::string text = recipe_text(files, GetParam());
  run_text(text);
  const auto expected = results(files);
  int times_killed = 0;
  for (const uint64_t checkpoint_bytes : {1, 2000}) {
    for (int blocks_until_end = 1;; blocks_until_end += 3) {
      RunOptions options;
      options.thread_count = 2;
      options.checkpoint_bytes = checkpoint_bytes;
      int block_count = 0;
      options.on_progress = [&](const RunProgress&) {
        if (++block_count == blocks_until_end) throw Killed();
      };
      bool was_killed = false;
      try {
        run_text(text, options);
      } catch (const Killed&) {
        was_killed = true;
      }
      if (!was_killed) break;
      ++times_killed;
      bool has_gone_on = false;
      RunOptions next;
      next.on_note = [&](std::string_view note) { has_gone_on |= note.find("going on") != std::string_view::npos; };
      run_text(text, next);
      EXPECT_TRUE(has_gone_on);
      EXPECT_EQ(results(files), expected) << checkpoint_bytes << " " << blocks_until_end;
    }
    results(files);
  }
  EXPECT_GT(times_killed, 40);
}

INSTANTIATE_TEST_SUITE_P(Run, KilledRun, testing::Values(kTwoSteps, kReordered));

// Of each id of the corpus the line as it lies in the input.
std::map<std::string, std::string> lines_by_id(const TestFiles& files) {
  std::map<std::string, std::string> lines;
  for (const std::string name : {"in/a.jsonl", "in/b.jsonl"}) {
    for (const std::string& line : lines_of(files.read(name))) {
      if (line.starts_with("{\"id\"") && line.find("broken") == std::string::npos) {
        lines[std::string(json::parse(line).at("id").as_string())] = line;
      }
    }
  }
  return lines;
}

TEST(Run, ACurriculumIsTheSameLinesInAnotherOrder) {
  const TestFiles files;
  write_corpus(files);
  const std::map<std::string, std::string> lines = lines_by_id(files);
  // The values of `key` in the output's order, after it was checked that all lines are there, byte for byte.
  const auto ordered = [&](std::string_view options, std::string_view key) {
    run_text(recipe_text(files, fmt::format("[curriculum: {{{}}}]", options)));
    std::vector<int64_t> values;
    std::set<std::string> ids;
    for (const std::string& line : lines_of(files.read("out.jsonl"))) {
      const json::value record = json::parse(line);
      const std::string id(record.at("id").as_string());
      EXPECT_EQ(lines.at(id), line);
      EXPECT_TRUE(ids.insert(id).second);
      values.push_back(key == "text" ? static_cast<int64_t>(record.at("text").as_string().size())
                                     : record.at(key).to_number<int64_t>());
    }
    EXPECT_EQ(ids.size(), lines.size());
    return values;
  };
  const std::vector<int64_t> by_length = ordered("", "text");
  EXPECT_TRUE(std::is_sorted(by_length.begin(), by_length.end()));
  const std::vector<int64_t> hardest_first = ordered("by: score, order: descending", "score");
  EXPECT_TRUE(std::is_sorted(hardest_first.rbegin(), hardest_first.rend()));
  EXPECT_EQ(hardest_first.front(), 9);

  const std::vector<int64_t> in_levels = ordered("by: length, levels: 4", "text");
  EXPECT_FALSE(std::is_sorted(in_levels.begin(), in_levels.end()));
  EXPECT_TRUE(std::is_permutation(in_levels.begin(), in_levels.end(), by_length.begin()));
  const auto begin_of = [&](size_t level) {
    return in_levels.begin() + static_cast<std::ptrdiff_t>((level * in_levels.size() + 3) / 4);
  };
  for (size_t level = 0; level + 1 < 4; ++level) {
    EXPECT_LE(*std::max_element(begin_of(level), begin_of(level + 1)),
              *std::min_element(begin_of(level + 1), begin_of(level + 2)))
        << level;
  }

  const std::vector<int64_t> shuffled = ordered("by: random, seed: 3", "text");
  EXPECT_FALSE(std::is_sorted(shuffled.begin(), shuffled.end()));
  EXPECT_EQ(ordered("by: random, seed: 3", "text"), shuffled);
  EXPECT_NE(ordered("by: random, seed: 4", "text"), shuffled);
}

TEST(Run, ACurriculumSaysWhatItHasNoPlaceFor) {
  const TestFiles files;
  files.write("in/a.jsonl",
              "{\"id\":\"1\",\"text\":\"x\",\"level\":2}\n{\"id\":\"2\",\"text\":\"y\"}\n"
              "{\"id\":\"3\",\"text\":\"z\",\"level\":-1.5}\n{\"id\":\"4\",\"text\":\"z\",\"level\":\"easy\"}\n");
  const auto ids = [&](std::string_view options) {
    run_text(recipe_text(files, fmt::format("[curriculum: {{by: level, {}}}]", options)));
    std::string all;
    for (const std::string& line : lines_of(files.read("out.jsonl"))) all += line.substr(7, 1);
    return all;
  };
  EXPECT_EQ(ids("missing: last"), "3124");
  EXPECT_EQ(ids("missing: first"), "2431");
  EXPECT_EQ(ids("missing: last, order: descending"), "1324");
  try {
    ids("order: ascending");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("curriculum: 2 of 4 records have no number 'level'"));
  }
}

TEST(Run, BeginsAnewWhereTheRecipeOrTheInputIsAnother) {
  const TestFiles files;
  write_corpus(files);
  const auto kill = [&] {
    RunOptions options;
    options.on_progress = [](const RunProgress&) { throw Killed(); };
    EXPECT_THROW(run_text(recipe_text(files, kOneStep), options), Killed);
  };
  std::string notes;
  RunOptions options;
  options.on_note = [&](std::string_view note) { notes += note; };
  kill();
  run_text(recipe_text(files, "[]"), options);
  EXPECT_THAT(notes, HasSubstr("beginning anew"));
  kill();
  notes.clear();
  files.write("in/c.jsonl", "{\"text\": \"another\"}\n");
  const RunReport report = run_text(recipe_text(files, kOneStep), options);
  EXPECT_THAT(notes, HasSubstr("beginning anew"));
  EXPECT_EQ(report.counts.records, 301u);
}

TEST(Run, StopsAndGoesOnWhenAsked) {
  const TestFiles files;
  write_corpus(files);
  int asked = 0;
  RunOptions options;
  options.should_stop = [&] { return ++asked > 5; };
  try {
    run_text(recipe_text(files, kOneStep), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_FALSE(files.has("out.jsonl"));
  EXPECT_EQ(run_text(recipe_text(files, kOneStep)).counts.records, 300u);
}

TEST(Run, KeepsTheBest) {
  const TestFiles files;
  files.write("in/a.jsonl",
              "{\"id\":\"1\",\"text\":\"A  b\",\"score\":1}\n{\"id\":\"2\",\"text\":\"a b\",\"score\":3}\n"
              "{\"id\":\"3\",\"text\":\" a B\",\"score\":3}\n{\"id\":\"4\",\"text\":\"ab\"}\n");
  const auto kept_ids = [&](std::string_view step) {
    run_text(recipe_text(files, fmt::format("[exact: {{normalize: [case, whitespace], {}}}]", step)));
    std::string ids;
    for (const std::string& line : lines_of(files.read("out.jsonl"))) ids += line.substr(7, 1);
    return ids;
  };
  EXPECT_EQ(kept_ids("keep: first"), "14");
  EXPECT_EQ(kept_ids("keep: best"), "24");
  EXPECT_EQ(kept_ids("keep: longest"), "14");
}

TEST(Run, ConvertsPacksAndSetsAsideWhatCannotBe) {
  const TestFiles files;
  files.write(
      "in/a.jsonl",
      "{\"data\":[\"q\",\"a\"],\"id\":\"1\"}\n{\"id\":\"2\",\"text\":\"t\"}\n{\"prompt\":\"q\",\"completion\":\"a\"}");
  for (const std::string name : {"out.jsonl.zst", "out.jsonl.gz"}) {
    const RunReport report = run_text(recipe_text(files, "[]", name) + "output_format: messages\n");
    EXPECT_EQ(report.counts.kept, 2u);
    EXPECT_EQ(report.counts.bad_lines, 1u);
    EXPECT_THAT(files.read("out.quarantine.jsonl"), HasSubstr("cannot be written as messages: it is no chat"));
    const std::string again = fmt::format("input: {}\noutput: {}\n", files.path(name), files.path("again.jsonl"));
    EXPECT_EQ(run_text(again).counts.bad_lines, 0u);
    const std::string turns = R"("messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}])";
    EXPECT_THAT(lines_of(files.read("again.jsonl")), ElementsAre("{" + turns + ",\"id\":\"1\"}", "{" + turns + "}"));
  }
}

TEST(Run, EmptyInputs) {
  const TestFiles files;
  files.write("in/a.jsonl", "");
  files.write("in/b.jsonl", "\n\n");
  files.write("in/c.jsonl", "{\"text\":\"x\"}");
  files.write("in/d.jsonl", "");
  const RunReport report = run_text(recipe_text(files, kTwoSteps, "out.jsonl.zst"));
  EXPECT_EQ(report.counts.kept, 1u);
  const json::value manifest = json::parse(files.read("out.manifest.json"));
  ASSERT_EQ(manifest.at("inputs").as_array().size(), 4u);
  EXPECT_EQ(manifest.at("inputs").at(1).at("lines").as_int64(), 2);
  // xxhsum -H2 of no bytes, and of {"text":"x"}
  EXPECT_EQ(manifest.at("inputs").at(3).at("xxh3_128_of_lines").as_string(), "99aa06d3014798d86001c324468d497f");
}

TEST(Run, TracesWhatWasKeptAndDropped) {
  const TestFiles files;
  files.write("in/a.jsonl",
              "{\"id\":\"1\",\"text\":\"x\"}\n{\"id\":\"2\",\"text\":\"x\"}\n{\"id\":\"3\",\"text\":\"y\"}\n");
  run_text(recipe_text(files, kOneStep));
  const json::array dropped = trace_record("2", files.path("out.jsonl"));
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].at("read").at("line").as_int64(), 2);
  EXPECT_EQ(dropped[0].at("read").at("record").at("text").as_string(), "x");
  EXPECT_EQ(dropped[0].at("dropped").at("duplicate_of").as_string(), "1");
  // On through a second run.
  run_text(fmt::format("input: {}\noutput: {}\n", files.path("out.jsonl"), files.path("next.jsonl")));
  const json::array kept = trace_record("3", files.path("next.jsonl"));
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].at("kept").at("line").to_number<int>(), 2);
  EXPECT_EQ(kept[1].at("read").at("line").as_int64(), 3);
  EXPECT_THROW(trace_record("2", files.path("next.jsonl")), Error);
  EXPECT_THROW(trace_record("1", files.path("in/a.jsonl")), Error);
}

TEST(Recipe, RefusesWhatItDoesNotKnow) {
  const auto message_of = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      read_recipe(text, "recipe.yaml", overrides);
      return std::string("no error");
    } catch (const Error& error) {
      return error.message();
    }
  };
  const std::string good = "input: a.jsonl\noutput: b.jsonl\nsteps:\n- exact: {keep: best}\n";
  EXPECT_EQ(message_of(good), "no error");
  EXPECT_THAT(message_of("output: b.jsonl\n"), HasSubstr("input: expected"));
  EXPECT_THAT(message_of("input: a.jsonl\noutput: b.txt\n"), HasSubstr(".jsonl.zst"));
  EXPECT_THAT(message_of(good + "stpes: []\n"), HasSubstr("stpes: unknown field"));
  EXPECT_THAT(message_of(good, {"steps.0.exact.keep=last"}),
              HasSubstr("steps[0].exact.keep: expected one of first, longest, best"));
  EXPECT_THAT(message_of(good, {"steps.0.exact.kep=first"}), HasSubstr("unknown option; there are"));
  EXPECT_THAT(message_of(good, {"steps.1.exact=1"}), HasSubstr("no item '1'"));
  EXPECT_THAT(message_of("input: a\noutput: b.jsonl\nsteps: [exakt]\n"), HasSubstr("there is no step 'exakt'"));
  EXPECT_THAT(message_of("input: {path: a, licence: mit}\noutput: b.jsonl\n"), HasSubstr("input.licence"));
  const Recipe recipe = read_recipe(good, "recipe.yaml", {"steps.0.exact.keep=longest", "memory_mb=7"});
  EXPECT_EQ(recipe.memory_bytes_max, size_t{7} << 20);
  EXPECT_EQ(recipe.in_force.at("steps").at(0).at("exact").at("keep").as_string(), "longest");
}

}  // namespace
}  // namespace pelton::data
