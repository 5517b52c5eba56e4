// Times the kernels' op cases on each instruction set, and chains of matrices with the shapes of a model.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "chain_bench.h"
#include "kernels/op_case.h"
#include "stopwatch.h"

namespace pelton {
namespace {

void run_case_bench(const std::string& filter) {
  fmt::print("{:<44} {:>7} {:>10} {:>8} {:>9}\n", "case", "isa", "µs", "GB/s", "GFLOP/s");
  for (const OpCase& op : all_op_cases()) {
    if (op.name.find(filter) == std::string::npos) continue;
    std::vector<float> output(static_cast<size_t>(op.output_count));
    for (Isa isa : supported_isas()) {
      const double seconds = seconds_of({.burst_seconds = 0.005}, [&] { op.run(isa, output); });
      fmt::print("{:<44} {:>7} {:>10.2f} {:>8.1f} {:>9.1f}\n", op.name, isa_name(isa), seconds * 1e6,
                 op.bytes / seconds / 1e9, op.flops / seconds / 1e9);
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app("Kernel micro-benchmarks (best of several bursts; caches warm, unless a step streams from memory)");
  std::string filter;
  ChainOptions chain;
  bool is_f32 = false;
  CLI::App* cases = app.add_subcommand("cases", "every op case on every instruction set");
  cases->add_option("filter", filter, "only cases whose name contains this");
  CLI::App* steps = app.add_subcommand("chain", "the matrix work of one step of SmolLM2-135M");
  steps->add_option("--types", chain.types, "weight types of the layers")->delimiter(',')->capture_default_str();
  steps->add_option("--rows", chain.rows, "rows in a step")->delimiter(',')->capture_default_str();
  steps->add_option("--threads", chain.threads, "thread counts")->delimiter(',')->capture_default_str();
  steps->add_flag("--f32", is_f32, "activations in F32 instead of int8");
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  if (is_f32) chain.activations = ActivationType::kF32;
  if (*cases) run_case_bench(filter);
  if (*steps) run_chain_bench(chain);
  return 0;
}

}  // namespace
}  // namespace pelton

int main(int argc, char** argv) {
  try {
    return pelton::run(argc, argv);
  } catch (const pelton::Error& error) {
    fmt::print(stderr, "kernels_bench: {}\n", error.message());
    return pelton::error_code_info(error.code()).exit_code;
  }
}
