#include "train/background_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "eval/byte_tokenizer.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

class BackgroundTuningTest : public testing::Test {
 protected:
  BackgroundTuningTest() {
    const fs::path base = fs::path(kGoldenDir) / "arch/llama";
    auto bundle = std::make_shared<ModelBundle>(*load_bundle(base.string()));
    bundle->tokenizer = std::make_shared<ByteTokenizer>(false);
    tuning_.bundle = std::move(bundle);
    tuning_.recipe.model = base.string();
    tuning_.recipe.data = {folder_.write("texts.jsonl", "{\"text\": \"one two\"}\n{\"text\": \"three\"}\n").string()};
    tuning_.recipe.output = (folder_.path() / "adapter").string();
    tuning_.recipe.rank = 2;
    tuning_.recipe.steps = 6;
    tuning_.recipe.batch_size = 1;
    tuning_.listener = {.on_note = [](const std::string&) {},
                        .on_step = [this](const json::object& line, int64_t) { see(line); },
                        .on_evaluation = [](const json::object&) {},
                        .on_samples = [](const json::object&) {},
                        .wants_stop = [this] { return steps_.size() == stop_after_; }};
    tuning_.on_beginning = [this](const TuneSize& size) { size_ = size; };
    tuning_.on_output = [this] {
      EXPECT_TRUE(fs::exists(folder_.path() / "adapter/adapter_model.safetensors"));
      EXPECT_EQ(std::this_thread::get_id(), caller_);
      ++output_count_;
    };
    tuning_.is_busy = [] { return false; };
  }

  void see(const json::object& line) {
    steps_.push_back(line.at("step").as_int64());
    policy_ = ::sched_getscheduler(0);
    EXPECT_NE(std::this_thread::get_id(), caller_);
  }

  TestFolder folder_;
  const std::thread::id caller_ = std::this_thread::get_id();
  BackgroundTuning tuning_;
  std::vector<int64_t> steps_;
  size_t stop_after_ = 0;
  int policy_ = 0;
  TuneSize size_{};
  int output_count_ = 0;
};

TEST_F(BackgroundTuningTest, TrainsOnALowThreadAndWritesOnTheCallers) {
  EXPECT_TRUE(tune_in_background(tuning_, SteadyClock()));
  EXPECT_THAT(steps_, testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(output_count_, 1);
  EXPECT_EQ(size_.record_count, 2);
  EXPECT_EQ(size_.token_count, 12);
  EXPECT_EQ(size_.step_count, 6);
  EXPECT_EQ(policy_, SCHED_IDLE);
}

TEST_F(BackgroundTuningTest, GoesOnAfterAStop) {
  stop_after_ = 2;
  EXPECT_FALSE(tune_in_background(tuning_, SteadyClock()));
  EXPECT_EQ(output_count_, 0);
  stop_after_ = 0;
  EXPECT_TRUE(tune_in_background(tuning_, SteadyClock()));
  EXPECT_THAT(steps_, testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(BackgroundTuningTest, WhatIsWrongWithTheDataIsThrownWithItsPlace) {
  folder_.write("texts.jsonl", "{\"text\": \"one\"}\n{\"txt\": 1}\n");
  for (const bool trains : {false, true}) {
    try {
      trains ? static_cast<void>(tune_in_background(tuning_, SteadyClock())) : check_in_background(tuning_);
      ADD_FAILURE() << "taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), testing::HasSubstr("texts.jsonl:2: no known form"));
    }
  }
}

TEST_F(BackgroundTuningTest, GivesWayWhileOthersAreBusy) {
  tuning_.recipe.steps = 1;
  int asked = 0;
  tuning_.is_busy = [&] { return ++asked < 10; };
  EXPECT_TRUE(tune_in_background(tuning_, SteadyClock()));
  EXPECT_GT(asked, 10);
}

}  // namespace
}  // namespace pelton
