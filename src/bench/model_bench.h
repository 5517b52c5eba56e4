// How fast a model computes here, and how near that is to what the machine allows at the same moment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/spread.h"
#include "model/bundle.h"
#include "ops/linear.h"
#include "plan/roofline.h"
#include "tensor/element_type.h"

namespace pelton {

struct ModelBenchOptions {
  int64_t prompt_token_count = 512;    // of a prefill; 0: none
  int64_t decode_token_count = 128;    // that each sequence is continued by; 0: no decode
  std::vector<int64_t> batches = {1};  // sequences that are continued together
  std::vector<int> thread_counts = {1};
  int64_t context_token_count = 200;  // before the first decoded token
  int repeat_count = 5;
  ActivationType activations = ActivationType::kInt8;
  ElementType kv_type = ElementType::kBF16;
  double probe_seconds = 0.05;
  // Called often, with what is measured now; what it throws ends the benchmark.
  std::function<void(std::string_view)> on_progress = [](std::string_view) {};
};

struct PhaseResult {
  std::string model;
  int thread_count = 1;
  int64_t batch = 1;
  bool is_decode = false;
  int64_t token_count = 0;     // of one sequence in one repetition
  Spread tokens_per_second;    // of all sequences together, over the repetitions
  double bytes_per_token = 0;  // weights, keys and values that must come from memory
  double operations_per_token = 0;
  Limits limits{};  // median over the probes
  // Medians over the bursts, each against the probes right before and after it: of the roofline, and of the bandwidth
  // alone (the bytes that the work must read, by the time that it took).
  double limit_share = 0;
  double bandwidth_share = 0;
  Bound bound = Bound::kBandwidth;
  std::string verdict;
  std::optional<double> joules_per_token;  // the whole processor's; nullopt: unknown

  double achieved_gb_per_second() const { return tokens_per_second.median * bytes_per_token * 1e-9; }
  double achieved_gop_per_second() const { return tokens_per_second.median * operations_per_token * 1e-9; }
};

// By threads; prefill, then decode by batch. Errors: kInvalidArgument (longer than the model's context),
// kResourceExhausted (no memory for the keys and values).
std::vector<PhaseResult> run_model_bench(const ModelBundle& bundle, const ModelBenchOptions& options);

}  // namespace pelton
