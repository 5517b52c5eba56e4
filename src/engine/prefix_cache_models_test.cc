// What the prefix cache finds changes no bit of an answer: on models whose layers see all, on some whose layers have a
// window, on some of both kinds, in every type of keys and values.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "base/golden_dir.h"
#include "base/rng.h"
#include "engine/collector.h"
#include "engine/engine.h"
#include "engine/fake_tokenizer.h"
#include "model/model.h"
#include "ops/attention.h"

namespace pelton {
namespace {

std::shared_ptr<const ModelBundle> golden_bundle(const std::string& name) {
  auto bundle =
      std::make_shared<ModelBundle>(*load_bundle((std::filesystem::path(kGoldenDir) / "arch" / name).string()));
  bundle->tokenizer = FakeTokenizer::with_size(bundle->model->spec.vocabulary_size);
  return bundle;
}

GenerationRequest request_of(int64_t prompt_size, int32_t last) {
  GenerationRequest request;
  for (int64_t i = 0; i + 1 < prompt_size; ++i) request.prompt.push_back(TokenId{static_cast<int32_t>(i * i % 53)});
  request.prompt.push_back(TokenId{last});
  request.sampling = {.temperature = 0, .max_tokens = 10, .logprobs = 2, .ignores_end_tokens = true};
  return request;
}

struct Said {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  int64_t cached_tokens = 0;
};

Said said(Engine& engine, const GenerationRequest& request) {
  const CollectedGeneration answer = generate(engine, request);
  Said said{.tokens = {}, .logprobs = {}, .cached_tokens = answer.summary.cached_tokens};
  for (const SampledToken& token : answer.tokens) {
    said.tokens.push_back(token.token);
    said.logprobs.push_back(*token.logprob);
  }
  return said;
}

TEST(PrefixCacheOnModels, AHitChangesNoBit) {
  for (const std::string name : {"llama", "gemma3", "mistral-window", "gemma4-kv-shared"}) {
    const auto bundle = golden_bundle(name);
    for (const ElementType kv_type : kKvTypes) {
      SCOPED_TRACE(name + " " + std::string(kv_type_name(kv_type)));
      const EngineOptions options{.thread_count = 2,
                                  .kv_type = kv_type,
                                  .context_length = 128,
                                  .step_token_count_max = 24,
                                  .sequence_count_max = 8};
      EngineOptions without = options;
      without.caches_prefixes = false;
      Engine cached(bundle, options);
      Engine plain(bundle, without);
      for (const int64_t prompt_size : {33, 50, 80, 80, 33}) {
        for (const int32_t last : {1, 2}) {
          const GenerationRequest request = request_of(prompt_size, last);
          const Said expected = said(plain, request);
          const Said actual = said(cached, request);
          EXPECT_EQ(actual.tokens, expected.tokens);
          EXPECT_EQ(actual.logprobs, expected.logprobs);
          EXPECT_EQ(expected.cached_tokens, 0);
          // The second question to the same text.
          if (last == 2) {
            EXPECT_EQ(actual.cached_tokens, (prompt_size - 1) / 16 * 16);
          }
        }
      }
    }
  }
}

// Answers to one prompt write into pages that were copied.
TEST(PrefixCacheOnModels, AForkChangesNoBit) {
  for (const std::string name : {"llama", "gemma3", "mistral-window"}) {
    const auto bundle = golden_bundle(name);
    Engine engine(bundle, {.thread_count = 2, .context_length = 128, .caches_prefixes = false});
    GenerationRequest request = request_of(37, 1);
    request.sampling.temperature = 1;
    request.sampling.seed = 11;
    const Said expected = said(engine, request);

    class Sink final : public GenerationSink {
     public:
      void on_tokens(std::string, std::vector<SampledToken> tokens) override {
        for (const SampledToken& token : tokens)
          said_.tokens.push_back(token.token), said_.logprobs.push_back(*token.logprob);
      }
      void on_finish(const GenerationSummary&) override { done_.set_value(said_); }
      void on_error(const Error&) override { done_.set_value({}); }
      Said wait() { return done_.get_future().get(); }

     private:
      Said said_;
      std::promise<Said> done_;
    };
    std::vector<std::shared_ptr<Sink>> sinks;
    for (int i = 0; i < 3; ++i) sinks.push_back(std::make_shared<Sink>());
    engine.submit(request, {sinks.begin(), sinks.end()});
    const Said first = sinks[0]->wait();
    EXPECT_EQ(first.tokens, expected.tokens) << name;
    EXPECT_EQ(first.logprobs, expected.logprobs) << name;
    for (const size_t i : {1, 2}) {
      GenerationRequest alone = request;
      alone.sampling.seed = Rng(11 + i).next();
      EXPECT_EQ(sinks[i]->wait().logprobs, said(engine, alone).logprobs) << name;
    }
  }
}

}  // namespace
}  // namespace pelton
