// What the benchmarks found, as JSON, as tables, as a picture.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/json.h"
#include "bench/kernel_bench.h"
#include "bench/linear_bench.h"
#include "bench/model_bench.h"
#include "plan/hardware.h"
#include "report/roofline_plot.h"

namespace pelton {

// What the computation that was timed makes of a text, and how far it is from float32 on the same weights. Speed means
// nothing without it. Measured by the caller: eval/ does not lie below this module.
struct ModelQuality {
  double perplexity = 0;
  double standard_error = 0;  // of the perplexity
  double mean_kl = 0;         // nats for each scored token
  double top1_agreement = 0;  // 0 to 1
  int64_t scored_token_count = 0;
};

// {"results": […]}; what is unknown is null.
json::object to_json(std::span<const PhaseResult> results, const std::optional<ModelQuality>& quality);
std::string to_text(std::span<const PhaseResult> results, const std::optional<ModelQuality>& quality);

json::object to_json(const KernelBenchResult& result);
std::string to_text(const KernelBenchResult& result);

json::object to_json(std::span<const LinearBenchResult> results);
// A line a kind and number of rows, a column a path.
std::string to_text(std::span<const LinearBenchResult> results);

std::string to_text(const Hardware& hardware);

// The machine's roofs, and the phases on them.
RooflinePlot roofline_plot(const Hardware& hardware, std::span<const PhaseResult> results);

}  // namespace pelton
