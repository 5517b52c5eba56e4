#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <sstream>
#include <string>

#include "base/stopped_clock.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;

class MetricsTest : public testing::Test {
 protected:
  // The value behind `series`, a name with its labels but the two that all have; NaN: no such line.
  double value(const std::string& series, const EngineStatistics& engine = {}) {
    std::istringstream lines(metrics_.text(engine));
    for (std::string line; std::getline(lines, line);) {
      const size_t space = line.rfind(' ');
      if (line.substr(0, space) == series) return std::stod(line.substr(space + 1));
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  static std::string labelled(const std::string& name, const std::string& further = {}) {
    return name + R"({engine="0",)" + further + R"(model_name="demo"})";
  }
  double count(const std::string& histogram) { return value(labelled(histogram + "_count")); }
  double sum(const std::string& histogram) { return value(labelled(histogram + "_sum")); }
  double endings(const std::string& reason) {
    return value(labelled("vllm:request_success_total", "finished_reason=\"" + reason + "\","));
  }

  std::shared_ptr<StoppedClock> clock_ = std::make_shared<StoppedClock>();
  Metrics metrics_{{.model_name = "demo", .context_length = 1024, .page_token_count = 16, .clock = clock_}};
};

TEST_F(MetricsTest, ShowsTheEnginesState) {
  const EngineStatistics engine{.running_count = 3,
                                .waiting_count = 5,
                                .pages_used = 20,
                                .pages_total = 80,
                                .step_count = 10,
                                .step_row_count = 40,
                                .preemption_count = 2,
                                .prompt_token_count = 700,
                                .cached_token_count = 300};
  EXPECT_EQ(value(labelled("vllm:num_requests_running"), engine), 3);
  EXPECT_EQ(value(labelled("vllm:num_requests_waiting"), engine), 5);
  EXPECT_EQ(value(labelled("vllm:kv_cache_usage_perc"), engine), 0.25);
  EXPECT_EQ(value(labelled("vllm:num_preemptions_total"), engine), 2);
  EXPECT_EQ(value(labelled("vllm:num_preemptions_total"), engine), 2) << "asking again adds nothing";
  EXPECT_EQ(value(labelled("pelton:step_rows_mean"), engine), 4);
  EXPECT_EQ(value(labelled("vllm:prefix_cache_queries_total"), engine), 700);
  EXPECT_EQ(value(labelled("vllm:prefix_cache_hits_total"), engine), 300);
  EXPECT_EQ(
      value(R"(vllm:cache_config_info{block_size="16",engine="0",model_name="demo",num_gpu_blocks="80"})", engine), 1);
}

TEST_F(MetricsTest, WhatTheProcessTakes) {
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_open_fds"), 3);
  EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
  const double cpu = value("process_cpu_seconds_total");
  EXPECT_GT(cpu, 0);
  EXPECT_GE(value("process_cpu_seconds_total"), cpu);
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(value("process_start_time_seconds"), now + 1);
  EXPECT_GT(value("process_start_time_seconds"), now - 86'400);
}

TEST_F(MetricsTest, APromptCountsOnceForAllOfItsAnswers) {
  for (const int64_t prompt : {90, 0}) {
    AnswerMeter meter(metrics_, clock_->now(), prompt);
    meter.add_tokens(1);
    meter.finish({.prompt_tokens = 90, .cached_tokens = 30, .completion_tokens = 1});
  }
  EXPECT_EQ(value(labelled("vllm:prompt_tokens_total")), 90);
  EXPECT_EQ(count("vllm:request_prefill_kv_computed_tokens"), 1);
  EXPECT_EQ(sum("vllm:request_prefill_kv_computed_tokens"), 60);
  EXPECT_EQ(count("vllm:e2e_request_latency_seconds"), 2);
}

TEST_F(MetricsTest, FollowsAnAnswer) {
  AnswerMeter meter(metrics_, clock_->now(), 90);
  clock_->advance(milliseconds(30));
  meter.add_tokens(1);
  clock_->advance(milliseconds(5));
  meter.add_tokens(1);
  clock_->advance(milliseconds(8));
  meter.add_tokens(2);
  EXPECT_EQ(value(labelled("vllm:prompt_tokens_total")), 90);
  EXPECT_EQ(value(labelled("vllm:generation_tokens_total")), 4);
  EXPECT_EQ(count("vllm:time_to_first_token_seconds"), 1);
  EXPECT_DOUBLE_EQ(sum("vllm:time_to_first_token_seconds"), 0.03);
  EXPECT_EQ(count("vllm:inter_token_latency_seconds"), 3);
  EXPECT_DOUBLE_EQ(sum("vllm:inter_token_latency_seconds"), 0.013) << "tokens that come together share the time";
  EXPECT_EQ(count("vllm:e2e_request_latency_seconds"), 0);

  meter.finish({.reason = FinishReason::kLength,
                .prompt_tokens = 90,
                .completion_tokens = 4,
                .timings = {.queue = milliseconds(10), .first_token = milliseconds(28), .total = milliseconds(40)}});
  EXPECT_DOUBLE_EQ(sum("vllm:e2e_request_latency_seconds"), 0.043);
  EXPECT_DOUBLE_EQ(sum("vllm:request_queue_time_seconds"), 0.010);
  EXPECT_DOUBLE_EQ(sum("vllm:request_prefill_time_seconds"), 0.018);
  EXPECT_DOUBLE_EQ(sum("vllm:request_decode_time_seconds"), 0.012);
  EXPECT_DOUBLE_EQ(sum("vllm:request_inference_time_seconds"), 0.030);
  EXPECT_DOUBLE_EQ(sum("vllm:request_time_per_output_token_seconds"), 0.004);
  EXPECT_EQ(sum("vllm:request_generation_tokens"), 4);
  EXPECT_EQ(value(R"(vllm:request_prompt_tokens_bucket{engine="0",model_name="demo",le="50"})"), 0);
  EXPECT_EQ(value(R"(vllm:request_prompt_tokens_bucket{engine="0",model_name="demo",le="100"})"), 1);
  EXPECT_EQ(endings("length"), 1);
  EXPECT_EQ(endings("stop"), 0);
}

TEST_F(MetricsTest, CountsEachEndingOnce) {
  { const AnswerMeter given_up(metrics_, clock_->now(), 1); }
  AnswerMeter(metrics_, clock_->now(), 1).fail(ErrorCode::kCancelled);
  AnswerMeter(metrics_, clock_->now(), 1).fail(ErrorCode::kInternal);
  EXPECT_EQ(endings("abort"), 2);
  EXPECT_EQ(endings("error"), 1);
  EXPECT_EQ(value(labelled("vllm:prompt_tokens_total")), 0) << "none was computed";
}

TEST_F(MetricsTest, OutlivedByTheMetersOfAnAnswer) {
  auto metrics = std::make_unique<Metrics>(Metrics::Options{.model_name = "other"});
  AnswerMeter meter(*metrics, {}, 1);
  metrics.reset();
  meter.add_tokens(1);
}

}  // namespace
}  // namespace pelton
