#include "train/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::string_view kLeast = "model: m\ndata: [a.jsonl, b.jsonl]\noutput: out\n";

TuneRecipe from(const std::string& yaml, const RecipeValues& overrides = {}) {
  return make_recipe(parse_recipe_values(yaml, "recipe.yaml"), overrides);
}

std::string refusal(const std::string& more, const RecipeValues& overrides = {}) {
  try {
    from(std::string(kLeast) + more, overrides);
  } catch (const Error& error) {
    return error.message();
  }
  return "taken";
}

TEST(Recipe, KeysAreReadByTheirKind) {
  const TuneRecipe recipe = from(std::string(kLeast) +
                                 "objective: dpo\nbeta: 0.25\nrank: 8\nlearning_rate: 5e-4\ntargets: q, v\n"
                                 "shuffle: false\nsteps: 1e3\ninit_adapter: first\n");
  EXPECT_THAT(recipe.data, testing::ElementsAre("a.jsonl", "b.jsonl"));
  EXPECT_EQ(recipe.objective, "dpo");
  EXPECT_EQ(recipe.beta, 0.25);
  EXPECT_EQ(recipe.rank, 8);
  EXPECT_EQ(recipe.learning_rate, 5e-4);
  EXPECT_THAT(recipe.targets, testing::ElementsAre("q", "v"));
  EXPECT_FALSE(recipe.shuffle);
  EXPECT_EQ(recipe.steps, 1000);
  EXPECT_EQ(recipe.init_adapter, "first");
}

TEST(Recipe, FlagsWin) {
  const TuneRecipe recipe = from(std::string(kLeast) + "epochs: 3\nrank: 8\n", {{"steps", {"10"}}, {"rank", {"4"}}});
  EXPECT_EQ(recipe.steps, 10);
  EXPECT_EQ(recipe.rank, 4);
  EXPECT_EQ(from(std::string(kLeast) + "steps: 3\n", {{"epochs", {"2"}}}).steps, std::nullopt);
}

TEST(Recipe, WhatIsWrittenReadsBackAsTheSame) {
  for (const char* more : {"learning_rate: 0.1\n", "method: ia3\n", "method: ia3\ntargets: all-linear\n"}) {
    const TuneRecipe recipe = from(std::string(kLeast) + "steps: 7\n" + more);
    RecipeValues values;
    for (const auto& [key, value] : recipe_to_json(recipe)) {
      if (value.is_null() || key == "epochs") continue;
      std::vector<std::string>& texts = values[std::string(key)];
      if (value.is_array()) {
        texts = json::value_to<std::vector<std::string>>(value);
      } else {
        texts.push_back(value.is_string() ? std::string(value.get_string()) : json::serialize(value));
      }
    }
    EXPECT_EQ(make_recipe({}, values), recipe);
  }
}

TEST(Recipe, Ia3HasItsTargetsAndNoneOfLorasKeys) {
  EXPECT_THAT(from(std::string(kLeast) + "method: ia3\n").targets, testing::ElementsAre("k", "v", "down"));
  EXPECT_THAT(from(std::string(kLeast) + "method: ia3\ntargets: v\n").targets, testing::ElementsAre("v"));
  for (const char* more : {"rank: 4", "alpha: 8", "rank_stabilised: true", "dora: true", "init: pissa", "dropout: 0.1",
                           "lora_plus_ratio: 16"}) {
    const std::string key = std::string(more).substr(0, std::string(more).find(':'));
    EXPECT_THAT(refusal("method: ia3\n" + std::string(more)),
                testing::AllOf(testing::StartsWith(key), testing::HasSubstr("ia3")));
  }
  EXPECT_THAT(refusal("method: ia3\nobjective: reward"), testing::HasSubstr("merge: true"));
  EXPECT_EQ(refusal("method: ia3\nobjective: reward\nmerge: true"), "taken");
}

TEST(Recipe, WhatIsWrongIsNamed) {
  EXPECT_THAT(refusal("learning_rat: 1\n"), testing::HasSubstr("learning_rat: there is no such key"));
  EXPECT_THAT(refusal("rank: 0\n"), testing::HasSubstr("rank: 0 is out of range"));
  EXPECT_THAT(refusal("rank: 2.5\n"), testing::HasSubstr("whole number"));
  EXPECT_THAT(refusal("rank: many\n"), testing::HasSubstr("expected a number, got \"many\""));
  EXPECT_THAT(refusal("learning_rate: nan\n"), testing::HasSubstr("learning_rate"));
  EXPECT_THAT(refusal("shuffle: perhaps\n"), testing::HasSubstr("true or false"));
  EXPECT_THAT(refusal("objective: ppo\n"), testing::HasSubstr("sft, dpo"));
  EXPECT_THAT(refusal("schedule: spiral\n"), testing::HasSubstr("cosine"));
  EXPECT_THAT(refusal("precision: tf32\n"), testing::HasSubstr("no CPU has such a unit"));
  EXPECT_THAT(refusal("steps: 1\nepochs: 2\n"), testing::HasSubstr("steps or epochs"));
  EXPECT_THAT(refusal("rank: [1, 2]\n"), testing::HasSubstr("got a list"));
  EXPECT_THAT(refusal("rank: {a: 1}\n"), testing::HasSubstr("recipe.yaml:4:"));
  EXPECT_THAT(refusal("rank: 4\nrank: 5\n"), testing::HasSubstr("twice"));
  EXPECT_THAT(refusal("rank: [\n"), testing::HasSubstr("recipe.yaml:"));
  EXPECT_THAT(refusal("", {{"model", {""}}}), testing::HasSubstr("model"));
  EXPECT_THROW(from("data: a\noutput: o\n"), Error);
  EXPECT_THROW(from("- a\n- b\n"), Error);
}

}  // namespace
}  // namespace pelton
