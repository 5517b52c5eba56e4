// Files and jobs over HTTP, without sockets: what comes of a job, who may see what, what is refused, what a restart
// finds.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "engine/fake_runner.h"
#include "eval/byte_tokenizer.h"
#include "server/fine_tuning/fine_tuning.h"
#include "server/router.h"
#include "server/waiting_reply.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTexts = "{\"text\": \"one two\"}\n{\"text\": \"three\"}\n{\"text\": \"four\"}\n";

class FineTuningRoutes : public testing::Test {
 protected:
  FineTuningRoutes() {
    const fs::path base = fs::path(kGoldenDir) / "arch/llama";
    bundle_ = std::make_shared<ModelBundle>(*load_bundle(base.string()));
    bundle_->tokenizer = std::make_shared<ByteTokenizer>(false);
    start();
  }
  ~FineTuningRoutes() override { stop(); }

  void start(std::vector<ApiKey> keys = {}) {
    engine_ = std::make_shared<Engine>(bundle_, EngineOptions{}, [] {
      return std::make_unique<FakeRunner>(FakeRunner::Options{
          .limits = {.vocabulary_size = 256, .context_length = 128, .page_count = 32, .embedding = {}}});
    });
    workers_ = std::make_unique<WorkerPool>();
    fine_tuning_ = std::make_unique<FineTuning>(*engine_, FineTuningOptions{.folder = work_.path() / "tuning"});
    fine_tuning_->start();
    AccessOptions access;
    if (!keys.empty()) access.key_file = work_.write("keys.json", json::serialize(api_keys_to_json(keys)));
    access_.emplace(access);
    models_.emplace(std::make_shared<const ServedModel>(
        ServedModel{.engine = engine_,
                    .names = {"base"},
                    .metrics = std::make_shared<Metrics>(Metrics::Options{.model_name = "base"})}));
    context_.emplace(
        ApiContext{.models = *models_, .access = *access_, .workers = *workers_, .fine_tuning = fine_tuning_.get()});
  }
  void stop() {
    workers_.reset();
    fine_tuning_.reset();
    models_.reset();
    engine_.reset();
  }

  HttpResponse ask(HttpRequest request) {
    request.credential = key_;
    const auto reply = std::make_shared<WaitingReply>();
    dispatch(*context_, std::move(request), reply);
    return reply->wait();
  }
  HttpResponse get(const std::string& path, const std::string& query = "") {
    return ask({.method = "GET", .path = path, .query = query});
  }
  HttpResponse post(const std::string& path, const std::string& body = "") {
    return ask({.method = "POST", .path = path, .content_type = "application/json", .body = body});
  }
  json::value body_of(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return parse_json(response.body, "body");
  }

  HttpResponse upload(const std::string& contents, const std::string& name = "texts.jsonl",
                      const std::string& purpose = "fine-tune") {
    return ask({.method = "POST",
                .path = "/v1/files",
                .content_type = "multipart/form-data; boundary=b",
                .body = fmt::format("--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{}\r\n--b\r\n"
                                    "Content-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\r\n{}\r\n--b--",
                                    purpose, name, contents)});
  }
  std::string uploaded(const std::string& contents) {
    return std::string(body_of(upload(contents)).at("id").as_string());
  }
  std::string created(const std::string& file, const std::string& more = "") {
    const HttpResponse response =
        post("/v1/fine_tuning/jobs", fmt::format(R"({{"model": "base", "training_file": "{}"{}}})", file, more));
    return std::string(body_of(response).at("id").as_string());
  }
  json::value job(const std::string& id) { return body_of(get("/v1/fine_tuning/jobs/" + id)); }
  // As soon as it has that status, or any that is an end.
  json::value wait_for(const std::string& id, const std::string& status = "succeeded") {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    for (;;) {
      json::value found = job(id);
      if (found.at("status") == json::string(status) || !found.at("finished_at").is_null()) return found;
      if (std::chrono::steady_clock::now() > deadline) return found;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  HttpResponse complete(const std::string& model) {
    return post(
        "/v1/completions",
        R"({"prompt": [1, 2, 3], "max_tokens": 4, "ignore_eos": true, "temperature": 0, "model": ")" + model + "\"}");
  }

  TestFolder work_;
  std::shared_ptr<ModelBundle> bundle_;
  std::shared_ptr<Engine> engine_;
  std::optional<ModelSet> models_;
  std::unique_ptr<FineTuning> fine_tuning_;
  std::optional<Access> access_;
  std::unique_ptr<WorkerPool> workers_;
  std::optional<ApiContext> context_;
  std::string key_;
};

constexpr const char* kShort = R"(, "suffix": "short", "recipe": {"steps": 3, "rank": 2})";
constexpr const char* kLong = R"(, "recipe": {"steps": 1000000, "rank": 2, "checkpoint_steps": 50})";

TEST_F(FineTuningRoutes, AJobsModelAnswersAndIsFoundAgain) {
  const std::string file = uploaded(kTexts);
  const std::string id = created(file, kShort + std::string(R"(, "validation_file": ")") + file + '"');
  const json::value done = wait_for(id);
  ASSERT_EQ(done.at("status"), "succeeded") << json::serialize(done);
  const std::string model(done.at("fine_tuned_model").as_string());
  EXPECT_THAT(model, testing::StartsWith("ft:base:short:"));
  EXPECT_GT(done.at("trained_tokens").to_number<int64_t>(), 0);
  EXPECT_EQ(complete(model).status, 200);
  EXPECT_NE(complete(model).body, complete("base").body);

  const json::value events = body_of(get("/v1/fine_tuning/jobs/" + id + "/events", "limit=3"));
  EXPECT_EQ(events.at("data").at(0).at("message"), "The job has successfully completed");
  EXPECT_EQ(events.at("has_more"), true);
  const json::value older =
      body_of(get("/v1/fine_tuning/jobs/" + id + "/events", "after=" + std::string(events.at("last_id").as_string())));
  std::vector<int64_t> steps;
  for (const json::value* page : {&events, &older}) {
    for (const json::value& event : page->at("data").as_array()) {
      EXPECT_EQ(event.at("object"), "fine_tuning.job.event");
      if (event.at("data").as_object().contains("train_loss")) steps.push_back(event.at("data").at("step").as_int64());
    }
  }
  EXPECT_THAT(steps, ElementsAre(3, 2, 1));
  const json::value checkpoints = body_of(get("/v1/fine_tuning/jobs/" + id + "/checkpoints"));
  EXPECT_EQ(checkpoints.at("data").at(0).at("fine_tuned_model_checkpoint"), json::string(model));
  EXPECT_EQ(checkpoints.at("data").at(0).at("step_number"), 3);
  EXPECT_TRUE(checkpoints.at("data").at(0).at("metrics").as_object().contains("valid_loss"));

  stop();
  start();
  EXPECT_EQ(job(id), done);
  EXPECT_EQ(complete(model).status, 200);
  EXPECT_EQ(body_of(get("/v1/files/" + file)).at("filename"), "texts.jsonl");

  EXPECT_EQ(body_of(ask({.method = "DELETE", .path = "/v1/models/" + model})).at("deleted"), true);
  EXPECT_EQ(complete(model).status, 404);
  EXPECT_EQ(ask({.method = "DELETE", .path = "/v1/models/" + model}).status, 404);
  EXPECT_EQ(ask({.method = "DELETE", .path = "/v1/models/base"}).status, 400);
  stop();
  start();
  EXPECT_EQ(complete(model).status, 404);
}

TEST_F(FineTuningRoutes, BadDataFailTheJobWithFileLineAndReason) {
  const std::string bad = uploaded("{\"text\": \"one\"}\n{\"txt\": 1}\n");
  const json::value done = wait_for(created(bad));
  EXPECT_EQ(done.at("status"), "failed");
  EXPECT_THAT(std::string(done.at("error").at("message").as_string()),
              testing::StartsWith("texts.jsonl:2: no known form"));
  EXPECT_EQ(done.at("error").at("code"), "invalid_argument");
  // What only the objective knows.
  const json::value other = wait_for(created(uploaded(kTexts), R"(, "method": {"type": "dpo"})"));
  EXPECT_EQ(other.at("status"), "failed");
  EXPECT_THAT(std::string(other.at("error").at("message").as_string()), HasSubstr("texts.jsonl:1"));
}

TEST_F(FineTuningRoutes, OneRunsOthersWaitAndAllCanBeCancelled) {
  const std::string file = uploaded(kTexts);
  const std::string first = created(file, kLong), second = created(file, kLong);
  EXPECT_EQ(wait_for(first, "running").at("status"), "running");
  EXPECT_EQ(wait_for(second, "queued").at("status"), "queued");
  EXPECT_EQ(ask({.method = "DELETE", .path = "/v1/files/" + file}).status, 400);
  EXPECT_EQ(post("/v1/fine_tuning/jobs/" + first + "/pause").status, 400);
  EXPECT_EQ(body_of(post("/v1/fine_tuning/jobs/" + second + "/cancel")).at("status"), "cancelled");
  EXPECT_EQ(body_of(post("/v1/fine_tuning/jobs/" + first + "/cancel", "{}")).at("status"), "cancelled");
  EXPECT_EQ(post("/v1/fine_tuning/jobs/" + first + "/cancel").status, 400);
  const std::string third = created(file, kShort);
  EXPECT_EQ(wait_for(third).at("status"), "succeeded");
  const json::value jobs = body_of(get("/v1/fine_tuning/jobs", "limit=2"));
  EXPECT_EQ(jobs.at("data").at(0).at("id"), json::string(third));
  EXPECT_EQ(jobs.at("has_more"), true);
  EXPECT_EQ(body_of(ask({.method = "DELETE", .path = "/v1/files/" + file})).at("deleted"), true);
  EXPECT_EQ(get("/v1/files/" + file).status, 404);
  EXPECT_FALSE(fs::exists(work_.path() / "tuning/jobs" / first / "adapter.run"));
}

TEST_F(FineTuningRoutes, AStopIsNoEndOfAJob) {
  const std::string id = created(uploaded(kTexts), R"(, "recipe": {"steps": 400, "rank": 2})");
  wait_for(id, "running");
  stop();
  start();
  const json::value done = wait_for(id);
  EXPECT_EQ(done.at("status"), "succeeded") << json::serialize(done);
  const json::value events = body_of(get("/v1/fine_tuning/jobs/" + id + "/events", "limit=1000"));
  std::vector<int64_t> steps;
  for (const json::value& event : events.at("data").as_array()) {
    if (event.at("data").as_object().contains("train_loss")) steps.push_back(event.at("data").at("step").as_int64());
  }
  EXPECT_EQ(steps.size(), 400u) << "each step once";
}

TEST_F(FineTuningRoutes, WhatIsUploadedIsChecked) {
  EXPECT_THAT(upload(kTexts, "a.jsonl", "batch").body, HasSubstr("fine-tune"));
  EXPECT_THAT(upload(kTexts, "a.parquet").body, HasSubstr(".jsonl"));
  EXPECT_THAT(upload(kTexts, "\xFF.jsonl").body, HasSubstr("UTF-8"));
  EXPECT_THAT(upload("").body, HasSubstr("empty"));
  EXPECT_EQ(ask({.method = "POST", .path = "/v1/files", .content_type = "application/json", .body = "{}"}).status, 415);
  // A page of some website must not fill our disk.
  EXPECT_EQ(ask({.method = "POST",
                 .path = "/v1/files",
                 .content_type = "multipart/form-data; boundary=b",
                 .origin = "https://page.example"})
                .status,
            415);
  const std::string id = uploaded(kTexts);
  EXPECT_EQ(get("/v1/files/" + id + "/content").body, kTexts);
  EXPECT_EQ(body_of(get("/v1/files", "purpose=fine-tune")).at("data").as_array().size(), 1u);
  EXPECT_EQ(body_of(get("/v1/files", "purpose=other")).at("data").as_array().size(), 0u);
  EXPECT_EQ(get("/v1/files", "colour=red").status, 400);
  EXPECT_EQ(get("/v1/files/file-none").status, 404);
  EXPECT_EQ(get("/v1/files/a/b/content").status, 404);
}

TEST_F(FineTuningRoutes, RequestsForWhatIsNotThereAreRefused) {
  const std::string file = uploaded(kTexts);
  const auto status = [&](const std::string& model, const std::string& training_file) {
    return post("/v1/fine_tuning/jobs",
                fmt::format(R"({{"model": "{}", "training_file": "{}"}})", model, training_file))
        .status;
  };
  EXPECT_EQ(status("other", file), 404);
  EXPECT_EQ(status("base", "file-none"), 404);
  EXPECT_EQ(get("/v1/fine_tuning/jobs/ftjob-none").status, 404);
  EXPECT_EQ(get("/v1/fine_tuning/jobs/ftjob-none/events").status, 404);
  EXPECT_EQ(post("/v1/fine_tuning/jobs/ftjob-none/cancel").status, 404);
  EXPECT_EQ(post("/v1/fine_tuning/jobs/ftjob-none/events").status, 405);
  context_->fine_tuning = nullptr;
  EXPECT_EQ(get("/v1/files").status, 403);
  EXPECT_THAT(get("/v1/fine_tuning/jobs").body, HasSubstr("--fine-tuning"));
}

TEST_F(FineTuningRoutes, EachKeySeesItsOwn) {
  stop();
  start({{.name = "a", .sha256 = sha256_hex("key-a")},
         {.name = "b", .sha256 = sha256_hex("key-b")},
         {.name = "c", .sha256 = sha256_hex("key-c"), .models = {"base"}}});
  key_ = "key-a";
  const std::string file = uploaded(kTexts);
  const std::string id = created(file, kShort);
  const std::string model(wait_for(id).at("fine_tuned_model").as_string());
  key_ = "key-b";
  EXPECT_EQ(get("/v1/files/" + file).status, 404);
  EXPECT_EQ(get("/v1/fine_tuning/jobs/" + id).status, 404);
  EXPECT_EQ(get("/v1/fine_tuning/jobs/" + id + "/events").status, 404);
  EXPECT_EQ(post("/v1/fine_tuning/jobs/" + id + "/cancel").status, 404);
  EXPECT_EQ(ask({.method = "DELETE", .path = "/v1/models/" + model}).status, 404);
  EXPECT_EQ(body_of(get("/v1/fine_tuning/jobs")).at("data").as_array().size(), 0u);
  EXPECT_EQ(complete(model).status, 200) << "adapters are for all who may ask all models";
  key_ = "key-c";
  EXPECT_EQ(get("/v1/files").status, 403);
  EXPECT_EQ(complete(model).status, 404);
}

}  // namespace
}  // namespace pelton
