#include "server/model_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/stopped_clock.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

class ModelSetTest : public testing::Test {
 protected:
  std::shared_ptr<const ServedModel> model_named(const std::string& name) {
    const auto metrics = first_metrics_ == nullptr
                             ? std::make_shared<Metrics>(Metrics::Options{.model_name = name})
                             : std::make_shared<Metrics>(Metrics::Options{.model_name = name}, *first_metrics_);
    if (first_metrics_ == nullptr) first_metrics_ = metrics;
    return present(name, metrics);
  }
  static std::shared_ptr<const ServedModel> present(const std::string& name, std::shared_ptr<Metrics> metrics) {
    const auto engine = std::make_shared<Engine>(fake_bundle(FakeTokenizer::with_size(64), {}), EngineOptions{},
                                                 [] { return std::make_unique<FakeRunner>(FakeRunner::Options{}); });
    return std::make_shared<const ServedModel>(
        ServedModel{.engine = engine, .names = {name}, .metrics = std::move(metrics)});
  }
  ModelOnDemand on_demand(const std::string& name, int64_t bytes) {
    auto metrics = std::make_shared<Metrics>(Metrics::Options{.model_name = name}, *first_metrics_);
    return {.name = name, .context_length = 128, .bytes = bytes, .metrics = metrics, .load = [this, name, metrics] {
              ++load_counts_[name];
              if (before_load_) before_load_(name);
              return present(name, metrics);
            }};
  }
  // Of `bytes` each, one letter a model.
  void make(const std::string& letters, int64_t bytes, ModelSetOptions options) {
    options.clock = clock_;
    std::shared_ptr<const ServedModel> first = model_named("first");
    std::vector<ModelOnDemand> others;
    for (const char letter : letters) others.push_back(on_demand(std::string(1, letter), bytes));
    models_.emplace(std::move(first), std::move(others), options);
  }
  std::string loaded() {
    std::string names;
    for (const ModelStatus& status : models_->list()) {
      if (status.name != "first" && std::string_view(status.state) == "loaded") names += status.name;
    }
    return names;
  }

  std::shared_ptr<StoppedClock> clock_ = std::make_shared<StoppedClock>();
  std::shared_ptr<Metrics> first_metrics_;
  std::map<std::string, std::atomic<int>> load_counts_;
  std::function<void(const std::string&)> before_load_;
  std::optional<ModelSet> models_;
};

TEST_F(ModelSetTest, LoadsWhatIsAskedForOnce) {
  make("ab", 10, {.bytes_max = 100});
  EXPECT_EQ(loaded(), "");
  EXPECT_EQ(models_->find_loaded("a"), nullptr);
  EXPECT_EQ(models_->load("first").get(), &models_->first());
  EXPECT_EQ(models_->load("nobody"), nullptr);
  const auto a = models_->load("a");
  EXPECT_THAT(a->names, testing::ElementsAre("a"));
  EXPECT_EQ(models_->load("a"), a);
  EXPECT_EQ(load_counts_["a"], 1);
  EXPECT_EQ(loaded(), "a");
  EXPECT_EQ(models_->loaded().size(), 2u);
}

TEST_F(ModelSetTest, TheOneThatWasUsedLongestAgoMakesRoom) {
  make("abc", 40, {.bytes_max = 100});
  for (const char* name : {"a", "b", "a"}) {
    models_->load(name);
    clock_->advance(seconds(1));
  }
  EXPECT_EQ(loaded(), "ab");
  models_->load("c");
  EXPECT_EQ(loaded(), "ac");
}

TEST_F(ModelSetTest, WhatIsBusyStays) {
  make("abc", 40, {.bytes_max = 100, .wait_max = Duration(0)});
  const auto a = models_->load("a");
  clock_->advance(seconds(1));
  models_->load("b");
  models_->load("c");
  EXPECT_EQ(loaded(), "ac") << "a was used longest ago, but is held";
  const auto c = models_->load("c");
  try {
    models_->load("b");
    ADD_FAILURE() << "there is no room";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_THAT(error.message(), HasSubstr("the model b takes"));
    EXPECT_THAT(error.message(), HasSubstr("(a, c)"));
  }
  EXPECT_EQ(models_->load("a"), a) << "who found no room is gone";
}

TEST_F(ModelSetTest, WhoNeedsRoomGetsItBeforeThoseWhoComeLater) {
  make("ab", 60, {.bytes_max = 100, .wait_max = minutes(5)});
  auto a = models_->load("a");
  auto b = std::async(std::launch::async, [&] { return models_->load("b"); });
  while (models_->find_loaded("a") != nullptr) std::this_thread::yield();  // until b's turn has come
  auto later = std::async(std::launch::async, [&] { return models_->load("a"); });
  EXPECT_EQ(later.wait_for(milliseconds(30)), std::future_status::timeout);
  a.reset();
  EXPECT_THAT(b.get()->names, testing::ElementsAre("b"));
  EXPECT_THAT(later.get()->names, testing::ElementsAre("a"));
  EXPECT_EQ(load_counts_["a"], 2);
}

TEST_F(ModelSetTest, WaitsDoNotAddUp) {
  make("ab", 60, {.bytes_max = 100, .wait_max = minutes(1)});
  const auto a = models_->load("a");
  std::vector<std::future<std::shared_ptr<const ServedModel>>> waiting;
  for (const char* name : {"b", "b", "a"}) {
    const auto waits = std::make_shared<std::atomic<bool>>(false);
    waiting.push_back(std::async(
        std::launch::async, [this, name, waits] { return models_->load(name, [waits] { return *waits = true; }); }));
    while (!*waits) std::this_thread::yield();
  }
  clock_->advance(minutes(1));
  EXPECT_THROW(waiting[0].get(), Error);
  EXPECT_THROW(waiting[1].get(), Error) << "its minute is over too";
  waiting[2].wait();  // what it wants is there, as soon as nobody stands before it
  EXPECT_EQ(models_->load("a"), a);
}

TEST_F(ModelSetTest, WhoHasLeftIsNotWaitedFor) {
  make("ab", 60, {.bytes_max = 100, .wait_max = minutes(1)});
  const auto a = models_->load("a");
  try {
    models_->load("b", [] { return false; });
    ADD_FAILURE() << "nobody wants it";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(load_counts_["b"], 0);
}

TEST_F(ModelSetTest, ManyWhoAskAtOnceGetTheSame) {
  make("a", 60, {.bytes_max = 100});
  std::vector<std::future<std::shared_ptr<const ServedModel>>> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::async(std::launch::async, [&] { return models_->load("a"); }));
  }
  const auto a = models_->load("a");
  for (auto& one : all) EXPECT_EQ(one.get(), a);
  EXPECT_EQ(load_counts_["a"], 1);
}

TEST_F(ModelSetTest, WhatNobodyAsksForGoes) {
  make("ab", 10, {.bytes_max = 100, .idle_max = minutes(10)});
  const auto held = models_->load("a");
  models_->load("b");
  clock_->advance(minutes(9));
  models_->unload_idle();
  EXPECT_EQ(loaded(), "ab");
  clock_->advance(minutes(1));
  models_->unload_idle();
  EXPECT_EQ(loaded(), "a") << "a is still at work";
}

TEST_F(ModelSetTest, WhatStaysForEverGoesForRoomAlone) {
  make("ab", 60, {.bytes_max = 100, .idle_max = std::nullopt});
  models_->load("a");
  clock_->advance(std::chrono::hours(1000));
  models_->unload_idle();
  EXPECT_EQ(loaded(), "a");
  models_->load("b");
  EXPECT_EQ(loaded(), "b");
}

TEST_F(ModelSetTest, AFailedLoadTakesNoRoomAndMayBeTriedAgain) {
  make("a", 60, {.bytes_max = 100});
  before_load_ = [](const std::string&) { throw Error(ErrorCode::kIo, "the disk is gone"); };
  EXPECT_THROW(models_->load("a"), Error);
  EXPECT_EQ(loaded(), "");
  before_load_ = nullptr;
  EXPECT_NE(models_->load("a"), nullptr);
}

TEST_F(ModelSetTest, StopEndsTheWait) {
  make("ab", 60, {.bytes_max = 100, .wait_max = minutes(5)});
  const auto a = models_->load("a");
  auto b = std::async(std::launch::async, [&] { return models_->load("b"); });
  while (models_->find_loaded("a") != nullptr) std::this_thread::yield();
  models_->stop();
  EXPECT_THROW(b.get(), Error);
  EXPECT_THROW(models_->load("b"), Error);
}

TEST_F(ModelSetTest, RefusesTwoOfOneNameAndOneThatNeverFits) {
  EXPECT_THROW(make("aa", 10, {.bytes_max = 100}), Error);
  EXPECT_THROW(make("a", 101, {.bytes_max = 100}), Error);
  const auto first = model_named("first");
  EXPECT_THROW(ModelSet(first, {on_demand("first", 1)}, {.bytes_max = 100}), Error);
}

// Any order, any thread: memory is never passed, nobody waits for ever, and what is held works.
TEST_F(ModelSetTest, RandomCompany) {
  static constexpr int64_t kBytes = 40, kBytesMax = 100;
  std::atomic<int> loaded_count = 0;
  make("", 0, {.bytes_max = kBytesMax});
  std::vector<ModelOnDemand> others;
  for (const char* name : {"a", "b", "c", "d"}) {
    ModelOnDemand model = on_demand(name, kBytes);
    model.load = [name = std::string(name), metrics = model.metrics, &loaded_count] {
      EXPECT_LE((++loaded_count) * kBytes, kBytesMax);
      auto served = present(name, metrics);
      // Counted until the engine is gone.
      return std::shared_ptr<const ServedModel>(served.get(), [served, &loaded_count](const ServedModel*) mutable {
        served.reset();
        --loaded_count;
      });
    };
    others.push_back(std::move(model));
  }
  {
    ModelSet models(models_->load("first"), std::move(others),
                    {.bytes_max = kBytesMax, .idle_max = milliseconds(2), .wait_max = minutes(5)});
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&models, seed] {
        std::mt19937 random(seed);
        for (int i = 0; i < 50; ++i) {
          const std::string name(1, static_cast<char>('a' + random() % 4));
          const auto model = models.load(name);
          EXPECT_EQ(model->names.front(), name);
          EXPECT_TRUE(model->engine->can_generate());
          if (random() % 8 == 0) models.unload_idle();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(loaded_count, 0);
}

}  // namespace
}  // namespace pelton
