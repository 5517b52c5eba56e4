// Adapters that come and go under an engine, each request with its own: on a golden model, and on a fake one.
#include "engine/adapter_set.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "engine/collector.h"
#include "engine/engine.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "engine/recording_sink.h"
#include "engine/step_loop.h"
#include "model/random_adapter.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const ModelBundle> golden_bundle() {
  auto bundle = std::make_shared<ModelBundle>(*load_bundle((fs::path(kGoldenDir) / "arch" / "llama").string()));
  bundle->tokenizer = FakeTokenizer::with_size(bundle->model->spec.vocabulary_size);
  return bundle;
}

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(AdapterNames, AreNoWaysThroughFolders) {
  for (const std::string& name : std::vector<std::string>{"sql", "org/sql-v1.2", "a:b@c_d", "7"})
    EXPECT_NO_THROW(validate_adapter_name(name));
  for (const std::string& name :
       std::vector<std::string>{"", "..", "../a", "a/../b", "/a", "a/", "a//b", ".a", "a/.b", "a\\b", "a b", "a\nb",
                                std::string("a\0b", 3), std::string(129, 'a')}) {
    EXPECT_EQ(code_of([&] { validate_adapter_name(name); }), ErrorCode::kInvalidArgument) << name;
  }
}

class EngineWithAdapters : public testing::Test {
 protected:
  EngineWithAdapters() {
    for (uint64_t i = 0; i < 3; ++i) {
      const auto rank = int64_t{4} << i;
      write_peft_adapter(folder(i), random_adapter(*bundle_->model, i + 1, {.rank = rank, .size = 1}), *bundle_->model);
    }
  }
  fs::path folder(uint64_t i) const { return work_.path() / std::to_string(i); }
  EngineOptions options() const {
    return {.thread_count = 2, .context_length = 128, .step_token_count_max = 40, .sequence_count_max = 16};
  }
  static GenerationRequest request(int32_t number, const std::string& adapter, int64_t max_tokens = 12) {
    GenerationRequest request;
    for (int32_t i = 0; i < 40; ++i) request.prompt.push_back(TokenId{(number * 17 + i * i) % 200});
    request.sampling = {.temperature = 0, .max_tokens = max_tokens, .ignores_end_tokens = true};
    request.adapter = adapter;
    return request;
  }
  static std::vector<TokenId> tokens(const CollectedGeneration& answer) {
    std::vector<TokenId> tokens;
    for (const SampledToken& token : answer.tokens) tokens.push_back(token.token);
    return tokens;
  }

  const TestFolder work_;
  std::shared_ptr<const ModelBundle> bundle_ = golden_bundle();
};

// Sixteen at once, of three adapters and none, among them requests of one prompt for several adapters: each as from an
// engine that has been given this adapter for everybody.
TEST_F(EngineWithAdapters, MixedRequestsSayWhatEachAdapterSaysAlone) {
  Engine engine(bundle_, options());
  for (uint64_t i = 0; i < 3; ++i) engine.load_adapter("a" + std::to_string(i), folder(i));
  std::vector<std::future<CollectedGeneration>> answers;
  for (int32_t i = 0; i < 16; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] {
      return generate(engine, request(i / 4, i % 4 == 3 ? "" : "a" + std::to_string(i % 4)));
    }));
  }
  std::vector<std::vector<TokenId>> said(16);
  for (size_t i = 0; i < said.size(); ++i) said[i] = tokens(answers[i].get());
  EXPECT_NE(said[0], said[3]) << "the adapter changes what is said";
  EXPECT_NE(said[0], said[1]);
  for (int32_t adapter = 0; adapter < 4; ++adapter) {
    Engine alone(bundle_, options());
    if (adapter < 3) alone.load_adapter("only", folder(static_cast<uint64_t>(adapter)));
    for (int32_t i = adapter; i < 16; i += 4) {
      EXPECT_EQ(said[static_cast<size_t>(i)], tokens(generate(alone, request(i / 4, adapter < 3 ? "only" : ""))))
          << "request " << i;
    }
  }
}

TEST_F(EngineWithAdapters, APrefixIsOfOneAdapter) {
  Engine engine(bundle_, options());
  engine.load_adapter("a", folder(0));
  engine.load_adapter("b", folder(1));
  const auto cached = [&](const std::string& adapter) {
    return generate(engine, request(1, adapter)).summary.cached_tokens;
  };
  EXPECT_EQ(cached(""), 0);
  EXPECT_EQ(cached(""), 32);
  EXPECT_EQ(cached("a"), 0);
  EXPECT_EQ(cached("a"), 32);
  EXPECT_EQ(cached("b"), 0);
  engine.unload_adapter("b");
  engine.load_adapter("b", folder(2));
  EXPECT_EQ(cached("b"), 0) << "what another adapter of that name has left";
  const auto tokens_of_b = tokens(generate(engine, request(1, "b")));
  Engine fresh(bundle_, options());
  fresh.load_adapter("b", folder(2));
  EXPECT_EQ(tokens_of_b, tokens(generate(fresh, request(1, "b"))));
}

TEST_F(EngineWithAdapters, WhoeverHoldsAnAdapterEndsWithIt) {
  std::mutex gate;  // held: the model stands still
  Engine engine(bundle_, options(), [&gate] {
    return std::make_unique<FakeRunner>(
        FakeRunner::Options{.limits = {.vocabulary_size = 256, .context_length = 128, .page_count = 32},
                            .before_step = [&gate](const StepBatch&) { const std::lock_guard lock(gate); }});
  });
  engine.load_adapter("a", folder(0));
  const auto expected = tokens(generate(engine, request(1, "a")));
  std::future<CollectedGeneration> answer;
  {
    const std::lock_guard lock(gate);
    GenerationStream stream(engine, request(1, "a"));
    EXPECT_EQ(engine.adapters()[0].running_count + engine.adapters()[0].waiting_count, 1);
    answer = std::async(std::launch::async, [&] { return generate(engine, request(1, "a")); });
    while (engine.adapters()[0].running_count + engine.adapters()[0].waiting_count < 2) std::this_thread::yield();
    EXPECT_EQ(engine.unload_adapter("a"), 2);
    EXPECT_TRUE(engine.adapters().empty());
    EXPECT_EQ(code_of([&] { generate(engine, request(1, "a")); }), ErrorCode::kNotFound);
    engine.load_adapter("a", folder(1));
  }
  EXPECT_EQ(tokens(answer.get()), expected);
  EXPECT_NE(tokens(generate(engine, request(1, "a"))), expected);
  EXPECT_EQ(engine.adapters()[0].running_count + engine.adapters()[0].waiting_count, 0);
}

TEST_F(EngineWithAdapters, ComeAndGoWhileRequestsRun) {
  Engine engine(bundle_, options());
  engine.load_adapter("stays", folder(0));
  const auto expected = tokens(generate(engine, request(1, "stays", 40)));
  std::vector<std::future<std::vector<TokenId>>> answers;
  for (int i = 0; i < 4; ++i) {
    answers.push_back(
        std::async(std::launch::async, [&] { return tokens(generate(engine, request(1, "stays", 40))); }));
  }
  for (int round = 0; round < 5; ++round) {
    engine.load_adapter("goes", folder(1));
    generate(engine, request(2, "goes", 3));
    EXPECT_EQ(engine.unload_adapter("goes"), 0);
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get(), expected);
}

TEST_F(EngineWithAdapters, WhatCannotBeLoadedIsSaid) {
  EngineOptions few = options();
  few.adapter_count_max = 1;
  Engine engine(bundle_, few);
  EXPECT_EQ(code_of([&] { engine.load_adapter("a", work_.path() / "none"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { engine.load_adapter("../a", folder(0)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { engine.unload_adapter("a"); }), ErrorCode::kNotFound);
  engine.load_adapter("a", folder(0));
  EXPECT_EQ(code_of([&] { engine.load_adapter("a", folder(1)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { engine.load_adapter("b", folder(1)); }), ErrorCode::kResourceExhausted);
  EXPECT_EQ(engine.adapters()[0].rank_max, 4);
  EXPECT_GT(engine.adapters()[0].size_bytes, 0);
}

// On a fake model, where a row that is computed with a foreign adapter, or reads a page of one, changes all that
// follows: chunks, preemption, forks, prefixes.
TEST(AdaptersInTheLoop, CompanyChunksAndPreemptionAreInvisible) {
  const std::shared_ptr<const ModelBundle> bundle = golden_bundle();
  FakeRunner runner({.limits = {.vocabulary_size = 64, .context_length = 128, .page_count = 14}});
  const SteadyClock clock;
  StepLoop loop({.runner = runner,
                 .tokenizer = FakeTokenizer::with_size(64),
                 .scheduling = {.page_count = 14, .step_token_count_max = 11, .sequence_count_max = 8},
                 .clock = clock});
  std::vector<std::shared_ptr<const ServedAdapter>> adapters = {nullptr};
  for (int i = 0; i < 3; ++i) {
    adapters.push_back(std::make_shared<const ServedAdapter>(
        "a", "", PreparedAdapter(*bundle->model, Adapter{}, ActivationType::kF32)));
  }
  struct Asked {
    std::vector<int32_t> prompt;
    uint64_t adapter;
    std::vector<std::shared_ptr<RecordingSink>> sinks;
  };
  std::vector<Asked> all;
  uint64_t id = 1;
  for (size_t i = 0; i < 20; ++i) {
    const auto& adapter = adapters[i % adapters.size()];
    Asked asked{.prompt = {}, .adapter = adapter == nullptr ? 0 : adapter->prepared.number(), .sinks = {}};
    for (size_t token = 0; token < 10 + 2 * i; ++token) asked.prompt.push_back(static_cast<int32_t>(token % 61));
    Submission submission{.id = RequestId{id}, .answer_token_count_max = 30, .adapter = AdapterUse(adapter)};
    for (const int32_t token : asked.prompt) submission.request.prompt.push_back(TokenId{token});
    submission.request.sampling = {.temperature = 0};
    for (size_t choice = 0; choice < 1 + i % 2; ++choice) {
      asked.sinks.push_back(std::make_shared<RecordingSink>());
      submission.sinks.push_back(asked.sinks.back());
    }
    id += asked.sinks.size();
    loop.add(std::move(submission));
    all.push_back(std::move(asked));
  }
  EXPECT_EQ(adapters[1]->waiting_count, 5);
  for (int i = 0; i < 10'000 && !loop.is_idle(); ++i) loop.step();
  EXPECT_GT(loop.statistics().preemption_count, 0);
  for (const Asked& asked : all) {
    std::vector<int32_t> history = asked.prompt;
    std::vector<int32_t> expected;
    while (expected.size() < 30) {
      expected.push_back(FakeRunner::next_token(history, 64, asked.adapter));
      history.push_back(expected.back());
    }
    for (const auto& sink : asked.sinks) EXPECT_EQ(sink->tokens(), expected) << "adapter " << asked.adapter;
  }
  for (size_t i = 1; i < adapters.size(); ++i) {
    EXPECT_EQ(adapters[i]->waiting_count + adapters[i]->running_count, 0);
    EXPECT_EQ(adapters[i].use_count(), 1);
  }
}

}  // namespace
}  // namespace pelton
