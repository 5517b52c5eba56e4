#include "train/pilot/pilot.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "eval/byte_tokenizer.h"
#include "train/example_reader.h"
#include "train/pilot/pilot_recipe.h"
#include "train/token_file.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string error_of(const std::function<void()>& work) try {
  work();
  return "none";
} catch (const Error& error) {
  return error.message();
}

class PilotTest : public testing::Test {
 protected:
  PilotTest() {
    auto bundle = std::make_shared<ModelBundle>(*load_bundle((fs::path(kGoldenDir) / "arch/llama").string()));
    bundle->tokenizer = std::make_shared<ByteTokenizer>(false);
    bundle_ = std::move(bundle);
    write("a.jsonl", "one", 9);
    write("b.jsonl", "two", 12);
    write("eval.jsonl", "held out", 5);
  }

  void write(std::string_view name, std::string_view word, int count) const {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines += fmt::format("{{\"prompt\": \"{} {}\", \"completion\": \"= {}\"}}\n", word, i, i);
    }
    folder_.write(name, lines);
  }

  // {"learning_rate": …}, and files of the folder.
  PilotOptions options(const std::vector<std::string>& data, RecipeValues values = {},
                       std::string_view eval = "eval.jsonl") const {
    PilotInputs inputs{.model = "llama", .output = (folder_.path() / "pilot").string()};
    for (const std::string& name : data) inputs.data.push_back((folder_.path() / name).string());
    inputs.evaluation = (folder_.path() / eval).string();
    values.emplace("rank", std::vector<std::string>{"2"});
    values.emplace("learning_rate", std::vector<std::string>{"1e-2"});
    return {.recipes = make_pilot_recipes({}, values, inputs),
            .sizes = {4, 2},
            .seed_count = 2,
            .folder = folder_.path() / "pilot"};
  }

  // Stops before the run after so many; 0: never.
  bool run(Pilot& pilot, size_t stop_after = 0) {
    done_.clear();
    return pilot.run(executor_, {.on_step = [](const PilotRun&, int64_t, int64_t) {},
                                 .on_run = [&](const PilotRun& run, double) { done_.push_back(run); },
                                 .wants_stop = [&] { return stop_after > 0 && done_.size() == stop_after; }});
  }

  size_t file_count() const {
    const fs::directory_iterator files(folder_.path() / "pilot/runs");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  TestFolder folder_;
  std::shared_ptr<const ModelBundle> bundle_;
  Executor executor_{2};
  std::vector<PilotRun> done_;
};

TEST_F(PilotTest, LearnsAndIsMeasured) {
  Pilot pilot(bundle_, options({"a.jsonl", "b.jsonl"}));
  EXPECT_EQ(pilot.runs().size(), 1U + 2 * 2 + 2 * 2 * 2);
  ASSERT_TRUE(run(pilot));
  EXPECT_EQ(done_.size(), 13U);
  EXPECT_FALSE(done_.front().set);
  const PilotScores& scores = pilot.scores();
  EXPECT_EQ(scores.sizes, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(scores.seeds, (std::vector<uint64_t>{0, 1}));
  ASSERT_EQ(scores.base.size(), 5U);
  for (const PilotSetScores& set : scores.sets) {
    EXPECT_EQ(set.leaked_count, 0);
    for (const auto& by_seed : set.runs) {
      EXPECT_NE(by_seed[0], by_seed[1]);
      for (const AnswerScores& of_run : by_seed) {
        ASSERT_EQ(of_run.size(), 5U);
        EXPECT_NE(of_run, scores.base);
      }
    }
  }
  EXPECT_EQ(scores.sets[0].record_count, 9);
  EXPECT_EQ(scores.sets[1].record_count, 12);
}

TEST_F(PilotTest, ExamplesAreShownToTheModelAsItWas) {
  PilotOptions three = options({"a.jsonl", "b.jsonl"});
  three.shot_count = 3;
  Pilot pilot(bundle_, three);
  ASSERT_TRUE(run(pilot));
  const PilotScores& scores = pilot.scores();
  EXPECT_EQ(scores.shot_count, 3);
  for (const PilotSetScores& set : scores.sets) {
    EXPECT_EQ(set.mean_shot_count, 3);
    ASSERT_EQ(set.few_shot.size(), 2U);
    EXPECT_NE(set.few_shot[0], set.few_shot[1]) << "each seed draws its own";
    for (const AnswerScores& of_run : set.few_shot) {
      ASSERT_EQ(of_run.size(), scores.base.size());
      for (size_t i = 0; i < of_run.size(); ++i) EXPECT_EQ(of_run[i].token_count, scores.base[i].token_count);
    }
  }
  EXPECT_NE(scores.sets[0].few_shot, scores.sets[1].few_shot);
  // More tokens than alone, and no step.
  EXPECT_GT(pilot.work_of({.set = 0, .size = 0, .seed = 0, .shot_count = 3}), pilot.work_of({}));
  EXPECT_GT(pilot.work_of({.set = 0, .size = 4}), pilot.work_of({.set = 0, .size = 2}));

  three.shot_count = 0;
  const Pilot none(bundle_, three);
  EXPECT_EQ(none.runs().size(), 9U);
  EXPECT_EQ(none.found_count(), 9);
  EXPECT_TRUE(none.scores().sets[0].few_shot.empty());
}

TEST_F(PilotTest, ExamplesThatHaveNoTextsAreNotShown) {
  TuneRecipe recipe = options({"a.jsonl"}).recipes[0];
  RecordCounts counts;
  TokenFileWriter tokens(folder_.path() / "a.tokens.safetensors", *bundle_->tokenizer);
  for (const Example& example : ExampleReader(bundle_, recipe).read(recipe.data, counts)) {
    tokens.add(example, RecordForm::kCompletion, "a.jsonl", 1);
  }
  tokens.commit();
  PilotOptions options = this->options({"a.tokens.safetensors"});
  const Pilot pilot(bundle_, options);
  EXPECT_EQ(pilot.runs().size(), 5U);
  EXPECT_EQ(pilot.scores().shot_count, 0);
  EXPECT_THAT(pilot.notes(), testing::Contains(HasSubstr("files of tokens hold no texts to show")));
  options.shot_count = 2;
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options); }), HasSubstr("files of tokens hold no texts to show"));
}

TEST_F(PilotTest, WhatTheEvalNearlyHasIsLeftOutToo) {
  folder_.write("eval.jsonl", "{\"prompt\": \"One 3!\", \"completion\": \" = 3.\"}\n");
  const Pilot pilot(bundle_, options({"a.jsonl"}));
  EXPECT_EQ(pilot.scores().sets[0].leaked_count, 1);
  EXPECT_EQ(pilot.scores().sets[0].nearly_leaked_count, 1);
  EXPECT_THAT(pilot.notes(), testing::Contains(HasSubstr("1 of them since it has nearly the same")));
}

TEST_F(PilotTest, GoesOnAfterAStopWithTheSameScores) {
  Pilot first(bundle_, options({"a.jsonl"}));
  EXPECT_FALSE(run(first, 3));
  EXPECT_EQ(file_count(), 3U);
  Pilot second(bundle_, options({"a.jsonl"}));
  EXPECT_EQ(second.found_count(), 3);
  EXPECT_THAT(second.notes(), testing::Contains(HasSubstr("3 of 7 runs")));
  EXPECT_EQ(second.missing_runs().size(), 4U);
  EXPECT_TRUE(run(second));
  EXPECT_EQ(done_.size(), 4U);

  fs::rename(folder_.path() / "pilot", folder_.path() / "before");
  Pilot whole(bundle_, options({"a.jsonl"}));
  EXPECT_TRUE(run(whole));
  EXPECT_EQ(whole.scores().base, second.scores().base);
  EXPECT_EQ(whole.scores().sets[0].runs, second.scores().sets[0].runs);
  EXPECT_EQ(whole.scores().sets[0].few_shot, second.scores().sets[0].few_shot);
}

TEST_F(PilotTest, OtherArgumentsAreOtherRuns) {
  Pilot pilot(bundle_, options({"a.jsonl"}));
  ASSERT_TRUE(run(pilot));
  const auto found_by = [&](PilotOptions options) { return Pilot(bundle_, std::move(options)).found_count(); };
  EXPECT_EQ(found_by(options({"a.jsonl"})), 7);
  EXPECT_EQ(found_by(options({"a.jsonl"}, {{"learning_rate", {"2e-2"}}})), 0);
  EXPECT_EQ(found_by(options({"a.jsonl"}, {{"seed", {"1"}}})), 3);  // of seed 1
  EXPECT_EQ(found_by(options({"b.jsonl"})), 1);                     // the model without finetuning
  EXPECT_EQ(found_by(options({"b.jsonl", "a.jsonl"})), 7);          // as the second set
  EXPECT_EQ(found_by(options({"a.jsonl"}, {}, "b.jsonl")), 0);
  PilotOptions more = options({"a.jsonl"});
  more.sizes = {2, 3, 4};
  more.seed_count = 3;
  EXPECT_EQ(found_by(more), 7);
  PilotOptions fewer = options({"a.jsonl"});
  fewer.shot_count = 2;
  EXPECT_EQ(found_by(fewer), 5);
  write("a.jsonl", "one", 8);  // a record less
  EXPECT_EQ(found_by(options({"a.jsonl"})), 1);
}

TEST_F(PilotTest, ABrokenFileIsNamed) {
  Pilot pilot(bundle_, options({"a.jsonl"}));
  EXPECT_FALSE(run(pilot, 1));
  const fs::path file = fs::directory_iterator(folder_.path() / "pilot/runs")->path();
  replace_file(file, "{}");
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options({"a.jsonl"})); }),
              testing::AllOf(HasSubstr(file.string()), HasSubstr("remove it")));
}

TEST_F(PilotTest, WhatTheEvalHasIsLeftOut) {
  write("eval.jsonl", "one", 3);
  Pilot pilot(bundle_, options({"a.jsonl"}));
  EXPECT_EQ(pilot.scores().sets[0].leaked_count, 3);
  EXPECT_EQ(pilot.scores().sets[0].record_count, 6);
  EXPECT_THAT(pilot.notes(), testing::Contains(HasSubstr("3 records that the eval has too are left out")));
  write("eval.jsonl", "one", 9);
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options({"a.jsonl"})); }),
              HasSubstr("a.jsonl has 0 records to learn from, without 9 that the eval has too; 4 are needed"));
}

TEST_F(PilotTest, SizesFollowFromTheSmallestSet) {
  PilotOptions options = this->options({"b.jsonl", "a.jsonl"});
  options.sizes.clear();
  EXPECT_EQ(Pilot(bundle_, options).scores().sizes, (std::vector<int64_t>{1, 2, 4, 9}));
  write("b.jsonl", "two", 300);
  write("a.jsonl", "one", 101);
  EXPECT_EQ(Pilot(bundle_, options).scores().sizes, (std::vector<int64_t>{12, 25, 50, 100}));
  write("a.jsonl", "one", 7);
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options); }), HasSubstr("7 records to learn from; 8 are needed"));
}

TEST_F(PilotTest, LearnsFromAnswersOnly) {
  folder_.write("pairs.jsonl", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n");
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options({"pairs.jsonl"})); }), HasSubstr("pairs.jsonl:1: a pilot learns"));
  EXPECT_THAT(error_of([&] { Pilot(bundle_, options({"a.jsonl"}, {}, "pairs.jsonl")); }), HasSubstr("pairs.jsonl:1"));
  EXPECT_THAT(error_of([&] { options({"a.jsonl"}, {{"objective", {"dpo"}}}); }), HasSubstr("objective"));
  EXPECT_THAT(error_of([&] { options({"a.jsonl"}, {{"early_stop", {"2"}}}); }), HasSubstr("early_stop"));
}

TEST(PilotRecipe, SaysForHowLong) {
  const PilotInputs inputs{.model = "m", .data = {"a,b", "c"}, .evaluation = "e", .output = "o"};
  const std::vector<TuneRecipe> recipes = make_pilot_recipes({{"data", {"x"}}, {"rank", {"8"}}}, {}, inputs);
  ASSERT_EQ(recipes.size(), 2U);
  EXPECT_EQ(recipes[0].data, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(recipes[1].data, (std::vector<std::string>{"c"}));
  EXPECT_EQ(recipes[0].rank, 8);
  EXPECT_EQ(recipes[0].epochs, 3);
  EXPECT_EQ(make_pilot_recipes({{"epochs", {"5"}}}, {}, inputs)[0].epochs, 5);
  EXPECT_EQ(make_pilot_recipes({{"epochs", {"5"}}}, {{"steps", {"7"}}}, inputs)[0].steps, 7);
  const json::object shown = pilot_recipe_to_json(recipes[0]);
  EXPECT_TRUE(shown.contains("learning_rate"));
  EXPECT_FALSE(shown.contains("data"));
  EXPECT_FALSE(shown.contains("eval_steps"));
}

}  // namespace
}  // namespace pelton
