// Where a step's time goes: the model's layer calls by kind and shape, which kernel ran, how near its limit.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/spread.h"
#include "model/bundle.h"
#include "ops/linear.h"
#include "plan/roofline.h"
#include "tensor/element_type.h"

namespace pelton {

struct KernelBenchOptions {
  int64_t prompt_token_count = 0;  // rows of one sequence from position 0; 0: decode instead
  int64_t batch = 1;               // sequences, a row each, of a decode step
  int64_t context_token_count = 200;
  int thread_count = 1;
  int step_count = 20;
  ActivationType activations = ActivationType::kInt8;
  ElementType kv_type = ElementType::kBF16;
  double probe_seconds = 0.05;
  std::function<void(std::string_view)> on_progress = [](std::string_view) {};  // as in ModelBenchOptions
};

// All calls of a step that do the same to the same shapes.
struct KernelResult {
  std::string call;      // "linear 576 → 1536, q4_1"
  std::string kernel;    // "int8, avx512"
  int64_t call_count;    // in a step
  Spread seconds;        // of all of them in a step, over the steps
  double share;          // of the step
  double gb_per_second;  // of what must come from memory
  double gop_per_second;
  double limit_seconds;    // the longest of: reading from memory, passing activations through L2, multiplying
  std::string_view bound;  // "memory", "L2", "compute"

  double limit_share() const { return seconds.median > 0 ? limit_seconds / seconds.median : 0; }
};

struct KernelBenchResult {
  std::vector<KernelResult> kernels;  // the longest first
  Spread step_seconds;
  double between_calls_share;  // of the step: rope angles, buffers, the clock itself
};

// Errors: kInvalidArgument (longer than the model's context).
KernelBenchResult run_kernel_bench(const ModelBundle& bundle, const KernelBenchOptions& options);

}  // namespace pelton
