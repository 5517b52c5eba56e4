// That the benchmarks measure what they say they measure; how fast it is, no test says.
#include "bench/model_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/golden_dir.h"
#include "bench/bench_report.h"
#include "model/model.h"

namespace pelton {
namespace {

using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const ModelBundle& tiny_bundle() {
  static const std::shared_ptr<const ModelBundle> bundle = load_bundle(std::string(kGoldenDir) + "/arch/llama");
  return *bundle;
}

ModelBenchOptions quick() {
  ModelBenchOptions options;
  options.prompt_token_count = 6;
  options.decode_token_count = 5;
  options.batches = {1, 3};
  options.thread_counts = {1, 2};
  options.context_token_count = 4;
  options.repeat_count = 2;
  options.probe_seconds = 0;
  return options;
}

TEST(ModelBench, EveryPhaseOfEveryThreadCount) {
  const std::vector<PhaseResult> results = run_model_bench(tiny_bundle(), quick());
  ASSERT_EQ(results.size(), 6u);
  for (const PhaseResult& result : results) {
    EXPECT_GT(result.tokens_per_second.min, 0);
    EXPECT_LE(result.tokens_per_second.min, result.tokens_per_second.median);
    EXPECT_LE(result.tokens_per_second.median, result.tokens_per_second.max);
    EXPECT_GT(result.bytes_per_token, 0);
    EXPECT_GT(result.operations_per_token, 0);
    EXPECT_GT(result.limit_share, 0);
    EXPECT_THAT(result.verdict, AnyOf(StartsWith("bandwidth-bound"), StartsWith("compute-bound")));
  }
  EXPECT_FALSE(results[0].is_decode);
  EXPECT_EQ(results[0].token_count, 6);
  EXPECT_EQ(results[1].batch, 1);
  EXPECT_EQ(results[2].batch, 3);
  EXPECT_EQ(results[2].thread_count, 1);
  EXPECT_EQ(results[5].thread_count, 2);
  // Three rows share the weights, and no keys and values.
  EXPECT_LT(results[2].bytes_per_token, results[1].bytes_per_token);
  EXPECT_GT(results[2].bytes_per_token, results[1].bytes_per_token / 3);
}

TEST(ModelBench, OneOfTheTwoPhases) {
  ModelBenchOptions options = quick();
  options.thread_counts = {1};
  options.decode_token_count = 0;
  EXPECT_EQ(run_model_bench(tiny_bundle(), options).size(), 1u);
  options = quick();
  options.thread_counts = {1};
  options.prompt_token_count = 0;
  options.context_token_count = 0;
  EXPECT_EQ(run_model_bench(tiny_bundle(), options).size(), 2u);
}

TEST(ModelBench, LongerThanTheModel) {
  ModelBenchOptions options = quick();
  options.prompt_token_count = tiny_bundle().model->spec.context_length + 1;
  EXPECT_THROW(run_model_bench(tiny_bundle(), options), Error);
  options = quick();
  options.context_token_count = tiny_bundle().model->spec.context_length;
  EXPECT_THROW(run_model_bench(tiny_bundle(), options), Error);
}

TEST(ModelBench, EndsWhenToldTo) {
  ModelBenchOptions options = quick();
  int calls = 0;
  options.on_progress = [&](std::string_view) {
    if (++calls == 8) throw Error(ErrorCode::kCancelled, "enough");
  };
  EXPECT_THROW(run_model_bench(tiny_bundle(), options), Error);
}

TEST(KernelBench, EveryCallIsInOneGroup) {
  KernelBenchOptions options;
  options.batch = 2;
  options.context_token_count = 3;
  options.step_count = 3;
  options.probe_seconds = 0;
  const KernelBenchResult result = run_kernel_bench(tiny_bundle(), options);
  int64_t call_count = 0;
  double share = result.between_calls_share;
  for (const KernelResult& kernel : result.kernels) {
    call_count += kernel.call_count;
    share += kernel.share;
    EXPECT_GE(kernel.limit_seconds, 0) << kernel.call;
  }
  const Graph graph = fused_graph(*tiny_bundle().model, options.activations);
  EXPECT_EQ(call_count, static_cast<int64_t>(graph.calls.size()));
  EXPECT_GT(share, 0);
  EXPECT_GT(result.kernels.front().seconds.median, 0);
  EXPECT_THAT(to_text(result), HasSubstr("attention"));
  EXPECT_THAT(to_text(result), HasSubstr("gated_linear"));

  // A prompt needs no context: this one may be longer than the model.
  options.context_token_count = tiny_bundle().model->spec.context_length;
  options.prompt_token_count = 5;
  EXPECT_FALSE(run_kernel_bench(tiny_bundle(), options).kernels.empty());
  options.prompt_token_count = tiny_bundle().model->spec.context_length + 1;
  EXPECT_THROW(run_kernel_bench(tiny_bundle(), options), Error);
}

TEST(BenchReport, JsonHasTheContract) {
  PhaseResult result;
  result.model = "m";
  result.is_decode = true;
  result.tokens_per_second = {100, 90, 110};
  result.bytes_per_token = 80e6;
  result.operations_per_token = 270e6;
  result.limits = {40e9, 1900e9};
  result.verdict = "bandwidth-bound, …";
  const std::vector<PhaseResult> results = {result};
  const json::object object = to_json(results, std::nullopt).at("results").as_array().at(0).as_object();
  for (const char* field :
       {"model", "threads", "batch", "phase", "tokens", "tokens_per_second", "bytes_per_token",
        "achieved_gb_per_second", "achieved_gop_per_second", "limit_share", "bandwidth_share", "verdict"}) {
    EXPECT_TRUE(object.contains(field)) << field;
  }
  EXPECT_EQ(object.at("phase").as_string(), "decode");
  EXPECT_DOUBLE_EQ(object.at("achieved_gb_per_second").as_double(), 8.0);
  EXPECT_DOUBLE_EQ(object.at("tokens_per_second").at("max").as_double(), 110);
  EXPECT_TRUE(object.at("joules_per_token").is_null());
  EXPECT_TRUE(object.at("quality").is_null());
  EXPECT_THAT(to_text(results, std::nullopt), HasSubstr("unknown"));
  EXPECT_THAT(to_text(results, std::nullopt), Not(HasSubstr("perplexity")));

  Hardware hardware;
  hardware.levels = {{"DRAM", 0, 40}};
  const RooflinePlot plot = roofline_plot(hardware, results);
  ASSERT_EQ(plot.points.size(), 1u);
  EXPECT_DOUBLE_EQ(plot.points[0].operations_per_byte, 270.0 / 80);
  EXPECT_DOUBLE_EQ(plot.points[0].gop_per_second, 27);
}

TEST(BenchReport, QualityStandsBesideEachSpeed) {
  const std::vector<PhaseResult> results = {PhaseResult{.model = "m"}, PhaseResult{.model = "m", .is_decode = true}};
  const ModelQuality quality = {.perplexity = 17.25,
                                .standard_error = 0.5,
                                .mean_kl = 0.0035,
                                .top1_agreement = 0.97,
                                .scored_token_count = 2040};
  const json::object object = to_json(results, quality);
  for (const json::value& result : object.at("results").as_array()) {
    EXPECT_DOUBLE_EQ(result.at("quality").at("perplexity").as_double(), 17.25);
    EXPECT_DOUBLE_EQ(result.at("quality").at("mean_kl").as_double(), 0.0035);
  }
  const std::string text = to_text(results, quality);
  EXPECT_THAT(text, ContainsRegex("prefill[^\n]* 17\\.250 +0\\.00350\n"));
  EXPECT_THAT(text, ContainsRegex("decode[^\n]* 17\\.250 +0\\.00350\n"));
  EXPECT_THAT(text, HasSubstr("of 2040 tokens: perplexity 17.2500 ± 0.5000"));
}

}  // namespace
}  // namespace pelton
