#include "data/run_samples.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "data/reservoir.h"
#include "data/run.h"
#include "data/stats_page.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

TEST(Reservoir, AStreamThatFitsComesBackWhole) {
  Reservoir<int> reservoir(5, 1);
  for (int i = 0; i < 4; ++i) reservoir.offer([i] { return i; });
  EXPECT_THAT(reservoir.take(), ElementsAre(0, 1, 2, 3));
}

TEST(Reservoir, EveryPlaceIsAsLikelyAsAnyOther) {
  constexpr int kStreamLength = 20;
  constexpr int kTrials = 4000;
  std::vector<int> times(kStreamLength);
  for (int trial = 0; trial < kTrials; ++trial) {
    Reservoir<int> reservoir(5, static_cast<uint64_t>(trial));
    for (int i = 0; i < kStreamLength; ++i) reservoir.offer([i] { return i; });
    for (const int item : reservoir.take()) ++times[static_cast<size_t>(item)];
  }
  // 1000 expected; the standard deviation is 27.
  for (const int count : times) EXPECT_NEAR(count, kTrials * 5 / kStreamLength, 140);
}

// Two equal texts, a short one, one with an address, and one that passes.
class RunSamplesTest : public testing::Test {
 protected:
  RunSamplesTest() {
    files_.write("in.jsonl",
                 "{\"id\":\"first\",\"text\":\"one two three four five\"}\n"
                 "{\"id\":\"again\",\"text\":\"one two three four five\"}\n"
                 "{\"id\":\"short\",\"text\":\"a <b>\"}\n"
                 "{\"id\":\"mail\",\"text\":\"write to someone@example.com about the other thing\"}\n"
                 "broken\n");
    const std::string recipe =
        fmt::format("input: {}\noutput: {}\nsteps: [exact, length: {{words_min: 4}}, personal_data]\n",
                    files_.path("in.jsonl"), files_.path("out.jsonl"));
    run_recipe(read_recipe(recipe, "test", {}), {});
  }

  const TestFiles files_;
};

TEST_F(RunSamplesTest, ShowsWhatEachStepDroppedAndChanged) {
  const std::optional<RunSamples> run = sample_run(files_.path("out.jsonl"), {});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->records, 4u);
  EXPECT_EQ(run->bad_lines, 1u);
  EXPECT_EQ(run->kept, 2u);
  ASSERT_EQ(run->steps.size(), 3u);

  const StepSamples& exact = run->steps[0];
  EXPECT_EQ(exact.step, "exact");
  EXPECT_THAT(exact.counts.reasons, ElementsAre(Pair("exact_duplicate", 1)));
  ASSERT_EQ(exact.dropped.size(), 1u);
  EXPECT_EQ(exact.dropped[0].id, "again");
  EXPECT_EQ(exact.dropped[0].text, "one two three four five");
  EXPECT_EQ(exact.dropped[0].duplicate_of, "first");
  EXPECT_EQ(exact.dropped[0].duplicate_text, "one two three four five");

  EXPECT_THAT(run->steps[1].dropped, ElementsAre(Field(&RecordSample::text, "a <b>")));

  ASSERT_EQ(run->steps[2].changed.size(), 1u);
  EXPECT_EQ(run->steps[2].changed[0].text, "write to someone@example.com about the other thing");
  EXPECT_THAT(run->steps[2].changed[0].written, Not(HasSubstr("someone")));
  EXPECT_THAT(run->steps[2].changed[0].written, HasSubstr("about the other thing"));

  EXPECT_THAT(run->kept_samples, ElementsAre(Field(&RecordSample::id, "first"), Field(&RecordSample::id, "mail")));
}

TEST_F(RunSamplesTest, InputsThatAreGoneLeaveTextsEmpty) {
  std::filesystem::remove(files_.path("in.jsonl"));
  const std::optional<RunSamples> run = sample_run(files_.path("out.jsonl"), {});
  ASSERT_TRUE(run);
  ASSERT_EQ(run->steps[0].dropped.size(), 1u);
  EXPECT_THAT(run->steps[0].dropped[0].text, IsEmpty());
  EXPECT_EQ(run->steps[0].dropped[0].duplicate_text, "one two three four five");
}

TEST_F(RunSamplesTest, WhatNoRunHasWrittenHasNone) { EXPECT_FALSE(sample_run(files_.path("in.jsonl"), {})); }

TEST_F(RunSamplesTest, ThePageShowsThemAsText) {
  StatsColumn column;
  column.title = "out.jsonl";
  column.run = sample_run(files_.path("out.jsonl"), {});
  const std::string page = stats_page("Data set", {column});
  EXPECT_THAT(page, HasSubstr("exact: dropped"));
  EXPECT_THAT(page, HasSubstr("a &lt;b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("a <b>")));
}

}  // namespace
}  // namespace pelton::data
