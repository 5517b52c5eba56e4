#include "server/fine_tuning/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/test_folder.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

FineTuningJob job(const std::string& id, const std::string& owner = "") {
  FineTuningJob made;
  made.id = id;
  made.owner = owner;
  made.base = {{"name", "demo"}, {"bytes", uint64_t{7}}};
  made.created_s = 5;
  made.request = openai::parse_fine_tuning_request(
      R"({"model": "demo", "training_file": "file-1", "suffix": "s", "metadata": {"k": "v"},
          "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": "auto"}}}})");
  return made;
}

std::vector<std::string> ids(const std::vector<FineTuningJob>& jobs) {
  std::vector<std::string> names;
  for (const FineTuningJob& one : jobs) names.push_back(one.id);
  return names;
}

std::vector<std::string> messages(const JobStore& store, std::string_view id) {
  std::vector<std::string> texts;
  for (const json::object& event : store.events(id)) texts.emplace_back(event.at("message").as_string());
  return texts;
}

TEST(JobStore, FindsItsJobsAgainAsTheyWere) {
  const TestFolder folder;
  FineTuningJob last;
  {
    JobStore store(folder.path() / "jobs");
    store.add(job("ftjob-b"));
    store.add(job("ftjob-a", "team"));
    EXPECT_TRUE(store.change("ftjob-b", [](FineTuningJob& changed) {
      changed.status = JobStatus::kSucceeded;
      changed.model = "ft:demo:s:b";
      changed.finished_s = 9;
      changed.trained_tokens = 100;
      changed.final_metrics = {{"step", 3}, {"train_loss", 0.5}};
      return true;
    }));
    EXPECT_TRUE(store.change("ftjob-a", [](FineTuningJob& changed) {
      changed.status = JobStatus::kFailed;
      changed.error = JobError{"invalid_argument", "a.jsonl:3: no", "training_file"};
      return true;
    }));
    EXPECT_FALSE(store.change("ftjob-a", [](FineTuningJob& changed) {
      changed.status = JobStatus::kQueued;
      return false;
    }));
    store.add_event("ftjob-b", {.message = "one"});
    store.add_event("ftjob-b", {.message = "two", .data = {{"step", 1}}});
    last = store.find("ftjob-b", "");
  }
  std::ofstream(folder.path() / "jobs/ftjob-b/events.jsonl", std::ios::app) << "{\"half";  // as a kill leaves it
  JobStore store(folder.path() / "jobs");
  EXPECT_THAT(ids(store.all()), ElementsAre("ftjob-b", "ftjob-a"));
  EXPECT_EQ(job_to_text(store.find("ftjob-b", "")), job_to_text(last));
  EXPECT_EQ(store.find("ftjob-a", "team").error->message, "a.jsonl:3: no");
  EXPECT_THAT(messages(store, "ftjob-b"), ElementsAre("two", "one"));
  store.add_event("ftjob-b", {.message = "three"});
  EXPECT_THAT(messages(store, "ftjob-b"), ElementsAre("three", "two", "one"));
  EXPECT_EQ(store.events("ftjob-b")[0].at("id"), "ftevent-b-3");
  EXPECT_EQ(store.events("ftjob-b")[1].at("type"), "metrics");
  EXPECT_EQ(store.add(job("ftjob-0")).number, 3);
}

TEST(JobStore, GivesTheOldestFirstAndOwnersTheirOwn) {
  const TestFolder folder;
  JobStore store(folder.path() / "jobs");
  for (const char* id : {"ftjob-c", "ftjob-a", "ftjob-b"}) store.add(job(id));
  store.add(job("ftjob-x", "team"));
  EXPECT_EQ(store.next(JobStatus::kValidatingFiles), "ftjob-c");
  EXPECT_EQ(store.next(JobStatus::kRunning), std::nullopt);
  EXPECT_THAT(ids(store.list("")), ElementsAre("ftjob-b", "ftjob-a", "ftjob-c"));
  EXPECT_THAT(ids(store.list("team")), ElementsAre("ftjob-x"));
  EXPECT_THROW(store.find("ftjob-x", ""), Error);
  store.remove("ftjob-c");
  EXPECT_EQ(store.next(JobStatus::kValidatingFiles), "ftjob-a");
  EXPECT_EQ(store.status("ftjob-c"), JobStatus::kCancelled);
  EXPECT_FALSE(store.change("ftjob-c", [](FineTuningJob&) { return true; }));
  EXPECT_FALSE(fs::exists(folder.path() / "jobs/ftjob-c"));
}

TEST(FineTuningJob, IsShownInOpenAisForm) {
  FineTuningJob one = job("ftjob-0123456789abcdef");
  one.request.model = "a/b c";
  EXPECT_EQ(tuned_model_name(one), "ft:a-b-c:s:0123456789ab");
  const json::object shown = to_openai(one);
  EXPECT_EQ(shown.at("status"), "validating_files");
  EXPECT_EQ(shown.at("method").at("dpo").at("hyperparameters").at("beta"), 0.3);
  EXPECT_EQ(shown.at("hyperparameters").at("n_epochs"), 3);
  EXPECT_TRUE(shown.at("fine_tuned_model").is_null());
  EXPECT_TRUE(shown.at("error").is_null());
}

}  // namespace
}  // namespace pelton
