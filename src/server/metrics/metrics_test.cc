#include "server/metrics/metrics.h"

#include <fmt/format.h>
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
using testing::HasSubstr;
using testing::Not;

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
    AnswerMeter meter(metrics_, {.received = clock_->now(), .prompt_token_count = prompt, .answer_count = 2});
    meter.add_tokens(1);
    meter.finish({.prompt_tokens = 90, .cached_tokens = 30, .completion_tokens = 1});
  }
  EXPECT_EQ(value(labelled("vllm:prompt_tokens_total")), 90);
  EXPECT_EQ(count("vllm:request_prefill_kv_computed_tokens"), 1);
  EXPECT_EQ(sum("vllm:request_prefill_kv_computed_tokens"), 60);
  EXPECT_EQ(count("vllm:e2e_request_latency_seconds"), 2);
}

TEST_F(MetricsTest, FollowsAnAnswer) {
  AnswerMeter meter(metrics_, {.received = clock_->now(), .prompt_token_count = 90});
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

TEST_F(MetricsTest, CountsStepsByTheirRows) {
  EngineStatistics engine{.step_count = 3, .step_row_count = 300};
  engine.steps_by_rows = {1, 0, 0, 0, 0, 0, 2};
  const auto bucket = [&](const char* bound) {
    return value(fmt::format(R"(vllm:iteration_tokens_total_bucket{{engine="0",model_name="demo",le="{}"}})", bound),
                 engine);
  };
  EXPECT_EQ(bucket("1"), 1);
  EXPECT_EQ(bucket("128"), 1);
  EXPECT_EQ(bucket("256"), 3);
  EXPECT_EQ(value(labelled("vllm:iteration_tokens_total_sum"), engine), 300) << "asking again adds nothing";
}

TEST_F(MetricsTest, SaysWhoseAnswersKeptTheServiceLevelAndWhyNot) {
  Metrics metrics({.model_name = "demo",
                   .service_level = ServiceLevel{.ttft = milliseconds(100), .tpot = milliseconds(10)},
                   .clock = clock_});
  const auto answer = [&](Priority priority, Duration first, Duration each) {
    AnswerMeter meter(metrics, {.request_id = "r", .received = clock_->now(), .priority = priority});
    clock_->advance(first);
    meter.add_tokens(1);
    clock_->advance(each * 4);
    meter.add_tokens(4);
    GenerationSummary summary{.completion_tokens = 5,
                              .timings = {.queue = first / 2, .first_token = first, .total = first + each * 4}};
    summary.timings.until_first_token[TimePart::kPreemption] = first;
    summary.timings.after_first_token[TimePart::kBatch] = each * 4;
    meter.finish(summary);
  };
  answer(Priority::kInteractive, milliseconds(90), milliseconds(9));
  answer(Priority::kInteractive, milliseconds(110), milliseconds(9));
  answer(Priority::kBatch, milliseconds(120), milliseconds(11));
  const std::string text = metrics.text({});
  for (const char* line : {
           R"(pelton:slo_answers_total{engine="0",kept="true",model_name="demo",priority="interactive"} 1)",
           R"(pelton:slo_answers_total{engine="0",kept="false",model_name="demo",priority="interactive"} 1)",
           R"(pelton:slo_answers_total{engine="0",kept="false",model_name="demo",priority="batch"} 1)",
           R"(pelton:slow_answers_total{cause="preemption",engine="0",model_name="demo",phase="first_token"} 2)",
           R"(pelton:slow_answers_total{cause="batch",engine="0",model_name="demo",phase="decode"} 1)",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, CostsAreTheMachinesTimeAtItsPrice) {
  Metrics metrics({.model_name = "demo", .price_per_hour = 7.2, .clock = clock_});
  AnswerMeter meter(metrics, {.received = clock_->now(), .prompt_token_count = 100, .max_tokens = 8});
  meter.add_tokens(4);
  meter.finish({.prompt_tokens = 100,
                .completion_tokens = 4,
                .timings = {.prompt_use = milliseconds(200), .answer_use = milliseconds(50)}});
  const std::string text = metrics.text({});
  for (const char* line : {
           R"(pelton:machine_seconds_total{engine="0",kind="prompt",model_name="demo"} 0.2)",
           R"(pelton:machine_seconds_total{engine="0",kind="generation",model_name="demo"} 0.05)",
           R"(pelton:cost_per_million_tokens{engine="0",kind="prompt",model_name="demo"} 4)",
           R"(pelton:cost_per_million_tokens{engine="0",kind="generation",model_name="demo"} 25)",
           R"(pelton:request_cost_sum{engine="0",model_name="demo"} 0.0005)",
           "pelton:price_per_hour 7.2",  // of the machine, whatever the models
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(metrics_.text({}), Not(HasSubstr("cost")));
}

TEST_F(MetricsTest, CountsEachEndingOnce) {
  { const AnswerMeter given_up(metrics_, {.prompt_token_count = 1}); }
  AnswerMeter(metrics_, {.prompt_token_count = 1}).fail(ErrorCode::kCancelled);
  AnswerMeter(metrics_, {.prompt_token_count = 1}).fail(ErrorCode::kInternal);
  EXPECT_EQ(endings("abort"), 2);
  EXPECT_EQ(endings("error"), 1);
  EXPECT_EQ(value(labelled("vllm:prompt_tokens_total")), 0) << "none was computed";
}

TEST_F(MetricsTest, OutlivedByTheMetersOfAnAnswer) {
  auto metrics = std::make_unique<Metrics>(Metrics::Options{.model_name = "other"});
  AnswerMeter meter(*metrics, {.prompt_token_count = 1});
  metrics.reset();
  meter.add_tokens(1);
}

TEST_F(MetricsTest, SeveralModelsShareAPage) {
  Metrics other({.model_name = "other", .page_token_count = 16, .clock = clock_}, metrics_);
  other.set({.running_count = 2, .step_count = 3, .prompt_token_count = 100});
  const std::string running = R"(vllm:num_requests_running{engine="0",model_name="other"})";
  const std::string steps = R"(pelton:steps_total{engine="0",model_name="other"})";
  EXPECT_EQ(value(running, {.running_count = 7}), 2);
  EXPECT_EQ(value(labelled("vllm:num_requests_running"), {.running_count = 7}), 7);
  other.set_gone({.running_count = 1, .step_count = 4, .prompt_token_count = 100});
  EXPECT_EQ(value(running), 0);
  EXPECT_EQ(value(steps), 4);
  other.set({.step_count = 2});
  EXPECT_EQ(value(steps), 6) << "a new engine counts from nothing";
  other.set({.step_count = 1});
  EXPECT_EQ(value(steps), 6) << "who asked first may come last";
  const std::string page = metrics_.text();
  const std::string help = "# HELP vllm:num_requests_running";
  EXPECT_EQ(page.find(help), page.rfind(help)) << "one family";
}

}  // namespace
}  // namespace pelton
