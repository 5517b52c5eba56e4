// One list of operations with inputs, tolerance, work and traffic: the tests compare every ISA with the scalar
// reference on it, and the micro-benchmark (bench/) times it. Each family appends its cases in its own `cases.cc`.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"

namespace pelton {

struct OpCase {
  std::string name;          // "rms_norm/T=3,D=577"
  int64_t output_count = 0;  // floats that `run` writes
  double tolerance = 0;      // largest |got - reference| / (1 + largest |reference|); derived beside each case
  double flops = 0;          // operations of one run
  double bytes = 0;          // bytes that one run must read and write
  // Runs on inputs that were made, seeded, when the case was built. kScalar is the reference.
  std::function<void(Isa isa, std::span<float> output)> run;
};

// All families' cases, with odd sizes and tails. One line a family in op_case.cc.
std::vector<OpCase> all_op_cases();

}  // namespace pelton
