// Which way of multiplying is the fastest for a model's matrices, by number of rows: what linear_path() is chosen by.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/spread.h"
#include "model/bundle.h"
#include "ops/linear.h"

namespace pelton {

struct LinearBenchOptions {
  std::vector<int64_t> row_counts = {1, 4, 8, 16, 32, 64, 128, 512};
  int thread_count = 1;
  int repeat_count = 7;
  std::function<void(std::string_view)> on_progress = [](std::string_view) {};  // as in ModelBenchOptions
};

struct LinearPathRate {
  LinearPath path;
  std::string_view activations;  // in what it multiplies: "int8", "bf16", "f32"
  Spread gop_per_second;
};

// A kind of matrix (all layers' of one shape and type, from memory, one after the other) at a number of rows.
struct LinearBenchResult {
  std::string matrix;  // "576 → 1536, q4_1"
  int64_t matrix_count;
  int64_t row_count;
  std::vector<LinearPathRate> rates;  // each path that can be taken, in turns
  LinearPath fast_choice;             // of linear(), asked for int8 activations
  LinearPath f32_choice;              // asked for f32
};

std::vector<LinearBenchResult> run_linear_bench(const ModelBundle& bundle, const LinearBenchOptions& options);

}  // namespace pelton
