// All matrices of one step of SmolLM2-135M, one after the other, from random weights: what a step would take if there
// were nothing but matrix work.
#pragma once

#include <string>
#include <vector>

#include "ops/linear.h"

namespace pelton {

struct ChainOptions {
  std::vector<std::string> types = {"q4_1", "q4_0", "q8_0"};  // of the layers; the output matrix is Q8_0
  std::vector<int> rows = {1, 8, 16, 32, 128, 512};
  std::vector<int> threads = {1, 2};
  ActivationType activations = ActivationType::kInt8;
};

void run_chain_bench(const ChainOptions& options);

}  // namespace pelton
