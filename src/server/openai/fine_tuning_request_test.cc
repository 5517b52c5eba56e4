#include "server/openai/fine_tuning_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "server/openai/list_query.h"

namespace pelton::openai {
namespace {

FineTuningRequest parse(const std::string& more) {
  return parse_fine_tuning_request(R"({"model": "demo", "training_file": "file-1")" + more + "}");
}

// The parameter at fault; "taken": none.
std::string fault(const std::string& more) {
  try {
    make_recipe(parse(more));
  } catch (const Error& error) {
    return error.parameter();
  }
  return "taken";
}

TEST(FineTuningRequest, AutoIsWhatTuneDoes) {
  const TuneRecipe defaults, recipe = make_recipe(parse(""));
  EXPECT_EQ(recipe.objective, "sft");
  EXPECT_EQ(recipe.epochs, 3);
  EXPECT_EQ(recipe.batch_size, defaults.batch_size);
  EXPECT_EQ(recipe.learning_rate, defaults.learning_rate);
  EXPECT_EQ(recipe.eval_data, std::nullopt);
  EXPECT_EQ(make_recipe(parse(R"(, "hyperparameters": {"n_epochs": "auto", "batch_size": "auto",
                                   "learning_rate_multiplier": "auto"}, "integrations": [], "suffix": null)")),
            recipe);
}

TEST(FineTuningRequest, HyperparametersComeInBothPlaces) {
  const TuneRecipe older = make_recipe(
      parse(R"(, "hyperparameters": {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 0.5}, "seed": 7)"));
  EXPECT_EQ(older.epochs, 2);
  EXPECT_EQ(older.batch_size, 8);
  EXPECT_DOUBLE_EQ(older.learning_rate, 1e-4);
  EXPECT_EQ(older.seed, 7);
  EXPECT_EQ(make_recipe(parse(R"(, "seed": 7, "method": {"type": "supervised", "supervised": {"hyperparameters":
                {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 0.5}}})")),
            older);
  const TuneRecipe dpo = make_recipe(
      parse(R"(, "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.25}}}, "validation_file": "file-2")"));
  EXPECT_EQ(dpo.objective, "dpo");
  EXPECT_EQ(dpo.beta, 0.25);
  EXPECT_TRUE(dpo.eval_data.has_value());
}

TEST(FineTuningRequest, KeysOfRecipesWin) {
  const TuneRecipe recipe = make_recipe(
      parse(R"(, "recipe": {"rank": 4, "alpha": 8.5, "targets": ["q", "v"], "learning_rate": 0.001, "steps": 3,
                            "packing": true, "schedule": "cosine"})"));
  EXPECT_EQ(recipe.rank, 4);
  EXPECT_EQ(recipe.alpha, 8.5);
  EXPECT_THAT(recipe.targets, testing::ElementsAre("q", "v"));
  EXPECT_EQ(recipe.learning_rate, 0.001);
  EXPECT_EQ(recipe.steps, 3);
  EXPECT_TRUE(recipe.packing);
  EXPECT_EQ(recipe.schedule, "cosine");
}

TEST(FineTuningRequest, JobsMakeAdaptersOfAnyKind) {
  const TuneRecipe recipe = make_recipe(parse(R"(, "recipe": {"method": "ia3"})"));
  EXPECT_EQ(recipe.method, "ia3");
  EXPECT_THAT(recipe.targets, testing::ElementsAre("k", "v", "down"));
  EXPECT_EQ(fault(R"(, "recipe": {"method": "full"})"), "recipe.method");
  EXPECT_EQ(fault(R"(, "recipe": {"method": "ia3", "rank": 4})"), "recipe.rank");
}

TEST(FineTuningRequest, WhatIsNotUnderstoodIsRefusedByName) {
  EXPECT_EQ(fault(R"(, "colour": 1)"), "colour");
  EXPECT_EQ(fault(R"(, "integrations": [{"type": "wandb"}])"), "integrations");
  EXPECT_EQ(fault(R"(, "suffix": "a b")"), "suffix");
  EXPECT_EQ(fault(R"(, "suffix": "")"), "suffix");
  EXPECT_EQ(fault(R"(, "seed": -1)"), "seed");
  EXPECT_EQ(fault(R"(, "metadata": {"a": 1})"), "metadata");
  EXPECT_EQ(fault(R"(, "hyperparameters": {"n_epochs": 0})"), "hyperparameters.n_epochs");
  EXPECT_EQ(fault(R"(, "hyperparameters": {"n_epochs": "many"})"), "hyperparameters.n_epochs");
  EXPECT_EQ(fault(R"(, "hyperparameters": {"learning_rate_multiplier": 0})"),
            "hyperparameters.learning_rate_multiplier");
  EXPECT_EQ(fault(R"(, "hyperparameters": {"beta": 0.1})"), "hyperparameters.beta");
  EXPECT_EQ(fault(R"(, "hyperparameters": {}, "method": {"type": "dpo"})"), "hyperparameters");
  EXPECT_EQ(fault(R"(, "method": {"type": "reinforcement"})"), "method.type");
  EXPECT_EQ(fault(R"(, "method": {"type": "dpo", "supervised": {}})"), "method.supervised");
  EXPECT_EQ(fault(R"(, "method": {"type": "supervised", "supervised": {"hyperparameters": {"beta": 1}}})"),
            "method.supervised.hyperparameters.beta");
  for (const char* key :
       {"data", "output", "eval_data", "model", "init_adapter", "merge", "method", "sample_prompts"}) {
    EXPECT_EQ(fault(fmt::format(R"(, "recipe": {{"{}": "x"}})", key)), fmt::format("recipe.{}", key));
  }
  EXPECT_EQ(fault(R"(, "recipe": {"rank": 0})"), "recipe.rank");
  EXPECT_EQ(fault(R"(, "recipe": {"rank": {}})"), "recipe.rank");
  EXPECT_EQ(fault(R"(, "recipe": {"early_stop": 2})"), "recipe.early_stop");
  EXPECT_THROW(parse_fine_tuning_request(R"({"model": "demo"})"), Error);
  EXPECT_THROW(parse_fine_tuning_request(R"({"training_file": "a"})"), Error);
  EXPECT_THROW(parse(R"(, "user": ")" + std::string(70000, 'a') + '"'), Error);
}

TEST(ListQuery, IsReadAndRefusedByName) {
  EXPECT_EQ(parse_list_query("").limit, 20);
  EXPECT_EQ(parse_list_query("limit=3&after=12").after, "12");
  const ListQuery files = parse_file_list_query("order=asc&purpose=fine-tune&limit=5");
  EXPECT_TRUE(files.is_ascending);
  EXPECT_EQ(files.purpose, "fine-tune");
  EXPECT_EQ(files.limit, 5);
  for (const char* bad : {"limit=0", "limit=x", "limit=10001", "order=asc", "metadata[a]=b"}) {
    EXPECT_THROW(parse_list_query(bad), Error) << bad;
  }
  EXPECT_THROW(parse_file_list_query("order=up"), Error);
}

TEST(ListQuery, CutsPages) {
  std::vector<json::object> all;
  for (const char* id : {"a", "b", "c"}) all.push_back({{"id", id}});
  const Page first = page_of(all, {.after = {}, .limit = 2});
  EXPECT_EQ(first.data.size(), 2u);
  EXPECT_TRUE(first.has_more);
  const Page second = page_of(all, {.after = "b", .limit = 2});
  EXPECT_EQ(json::serialize(second.data), R"([{"id":"c"}])");
  EXPECT_FALSE(second.has_more);
  EXPECT_THROW(page_of(all, {.after = "d", .limit = 2}), Error);
  const json::object answer = list_answer(page_of({}, {}));
  EXPECT_TRUE(answer.at("last_id").is_null());
  EXPECT_FALSE(answer.at("has_more").as_bool());
}

}  // namespace
}  // namespace pelton::openai
