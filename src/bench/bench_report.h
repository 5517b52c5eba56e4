// What the benchmarks found, as JSON, as tables, as a picture.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "bench/kernel_bench.h"
#include "bench/model_bench.h"
#include "plan/hardware.h"
#include "report/roofline_plot.h"

namespace pelton {

// {"results": […]}; what is unknown is null.
json::object to_json(std::span<const PhaseResult> results);
std::string to_text(std::span<const PhaseResult> results);

json::object to_json(const KernelBenchResult& result);
std::string to_text(const KernelBenchResult& result);

std::string to_text(const Hardware& hardware);

// The machine's roofs, and the phases on them.
RooflinePlot roofline_plot(const Hardware& hardware, std::span<const PhaseResult> results);

}  // namespace pelton
