// How fast each way of multiplying a model's matrices is, by number of rows: what linear_path() rests on.
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
  std::vector<LinearPathRate> rates;  // measured in turns; kTiles is what int8 activations take, kDots what f32 take
};

std::vector<LinearBenchResult> run_linear_bench(const ModelBundle& bundle, const LinearBenchOptions& options);

}  // namespace pelton
