// Adapters over HTTP, without sockets: what vLLM's clients send, who may, and what names and paths are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "model/bundle.h"
#include "model/random_adapter.h"
#include "server/http/http_error.h"
#include "server/router.h"
#include "server/waiting_reply.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class AdapterRoutes : public testing::Test {
 protected:
  AdapterRoutes() {
    bundle_ = std::make_shared<ModelBundle>(*fake_bundle(FakeTokenizer::with_size(64), {}));
    bundle_->model = load_bundle((fs::path(kGoldenDir) / "arch" / "llama").string())->model;
    fs::create_directory(work_.path() / "tuned");
    for (const char* name : {"tuned/sql", "tuned/poem", "secret"}) {
      write_peft_adapter(work_.path() / name, random_adapter(*bundle_->model, 1), *bundle_->model);
    }
    fs::create_directory_symlink(work_.path() / "secret", work_.path() / "tuned/link");
    engine_ = std::make_shared<Engine>(bundle_, EngineOptions{}, [] {
      return std::make_unique<FakeRunner>(
          FakeRunner::Options{.limits = {.vocabulary_size = 64,
                                         .context_length = 128,
                                         .page_count = 32,
                                         .embedding = {.width = 4, .token_count_max = 16, .page_count = 2}}});
    });
    models_.emplace(
        std::make_shared<const ServedModel>(ServedModel{.engine = engine_, .names = {"base"}, .metrics = metrics_}));
    open(work_.path() / "tuned");
  }
  // The engine's thread uses the context and the metrics until it ends.
  ~AdapterRoutes() override {
    workers_.reset();
    models_.reset();
  }

  void open(const std::optional<fs::path>& folder) {
    context_.reset();
    context_.emplace(ApiContext{.models = *models_, .adapter_folder = folder, .access = access_, .workers = *workers_});
  }
  HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = "") {
    const auto reply = std::make_shared<WaitingReply>();
    dispatch(*context_, {.method = method, .path = path, .body = body}, reply);
    return reply->wait();
  }
  HttpResponse load(const std::string& name, const std::string& path) {
    return ask("POST", "/v1/load_lora_adapter",
               json::serialize(json::object{{"lora_name", name}, {"lora_path", path}}));
  }
  HttpResponse unload(const std::string& name) {
    return ask("POST", "/v1/unload_lora_adapter", json::serialize(json::object{{"lora_name", name}}));
  }
  HttpResponse complete(const std::string& model) {
    return ask(
        "POST", "/v1/completions",
        R"({"prompt": [1, 2, 3], "max_tokens": 4, "ignore_eos": true, "temperature": 0, "model": ")" + model + "\"}");
  }

  TestFolder work_;
  std::shared_ptr<ModelBundle> bundle_;
  std::shared_ptr<Engine> engine_;
  Access access_{AccessOptions{}};
  std::shared_ptr<Metrics> metrics_ =
      std::make_shared<Metrics>(Metrics::Options{.model_name = "base", .adapter_count_max = 7});
  std::optional<ModelSet> models_;
  std::optional<ApiContext> context_;
  std::unique_ptr<WorkerPool> workers_ = std::make_unique<WorkerPool>();
};

TEST_F(AdapterRoutes, ComeAreChosenAndGo) {
  EXPECT_EQ(complete("sql").status, 404);
  const HttpResponse loaded = load("sql", "sql");
  EXPECT_EQ(loaded.status, 200) << loaded.body;
  EXPECT_EQ(loaded.body, "Success: LoRA adapter 'sql' added successfully.");
  EXPECT_EQ(load("sql", "sql").status, 400) << "the name is taken";
  EXPECT_EQ(load("poem", (work_.path() / "tuned/poem").string()).status, 200) << "within the folder, by its full path";

  const json::value models = parse_json(ask("GET", "/v1/models").body, "models");
  const json::array& data = models.at("data").as_array();
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0].at("id"), "base");
  EXPECT_FALSE(data[0].as_object().contains("parent"));
  EXPECT_EQ(data[2].at("id"), "sql");
  EXPECT_EQ(data[2].at("parent"), "base");
  EXPECT_EQ(data[2].at("root"), "sql");

  const auto text_of = [&](const std::string& model) {
    const json::value answer = parse_json(complete(model).body, "answer");
    EXPECT_EQ(answer.at("model"), json::string(model));
    return std::string(answer.at("choices").at(0).at("text").as_string());
  };
  EXPECT_NE(text_of("sql"), text_of("base"));
  EXPECT_NE(text_of("sql"), text_of("poem"));

  EXPECT_EQ(unload("sql").body, "Success: LoRA adapter 'sql' removed successfully.");
  EXPECT_EQ(unload("sql").status, 404);
  EXPECT_EQ(complete("sql").status, 404);
}

TEST_F(AdapterRoutes, NothingOutsideTheFolderIsRead) {
  for (const std::string path : {"../secret", "link", "sql/../../secret", "none", ".", "/etc/passwd"}) {
    const HttpResponse refused = load("a", path);
    EXPECT_EQ(refused.status, 404) << path;
    EXPECT_THAT(refused.body, HasSubstr("in the folder of adapters")) << path;
  }
  EXPECT_EQ(load("a", (work_.path() / "secret").string()).status, 404);
  for (const std::string name : {"../a", "a/../b", "", "a b"}) EXPECT_EQ(load(name, "sql").status, 400) << name;
  EXPECT_EQ(load("base", "sql").status, 400) << "the model itself";
  EXPECT_TRUE(engine_->adapters().empty());
}

TEST_F(AdapterRoutes, AreClosedWithoutAFolderAndToKeysOfSomeModels) {
  engine_->load_adapter("sql", work_.path() / "tuned/sql");
  open(std::nullopt);
  EXPECT_EQ(load("poem", "poem").status, 403);
  EXPECT_EQ(unload("sql").status, 403);
  EXPECT_EQ(complete("sql").status, 200) << "it is served even so";
  const Caller caller({.name = "key", .models = {"base"}}, std::make_shared<SteadyClock>());
  EXPECT_THAT(models_for(*context_, &caller), ElementsAre("base"));
  EXPECT_THROW(find_model(*context_, &caller, "sql"), HttpError);
  const Caller other({.name = "key", .models = {"sql"}}, std::make_shared<SteadyClock>());
  EXPECT_EQ(find_model(*context_, &other, std::nullopt), "sql");
}

TEST_F(AdapterRoutes, EmbeddingsAreTheModelsOwn) {
  engine_->load_adapter("sql", work_.path() / "tuned/sql");
  const HttpResponse refused = ask("POST", "/v1/embeddings", R"({"input": [1], "model": "sql"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("is an adapter"));
}

TEST_F(AdapterRoutes, MetricsNameThoseOfRequests) {
  std::vector<AdapterInfo> adapters(3);
  adapters[0] = {.name = "a", .running_count = 2};
  adapters[1] = {.name = "b", .waiting_count = 1, .running_count = 1};
  adapters[2] = {.name = "idle"};
  metrics_->text({}, {});
  const std::string text = metrics_->text({}, adapters);
  EXPECT_THAT(text, HasSubstr(R"(max_lora="7")"));
  EXPECT_THAT(text, HasSubstr(R"(running_lora_adapters="a,b")"));
  EXPECT_THAT(text, HasSubstr(R"(waiting_lora_adapters="b")"));
  EXPECT_EQ(text.find(R"(running_lora_adapters="")"), std::string::npos) << "of the reading before";
}

}  // namespace
}  // namespace pelton
