// What makes of gradients new weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"
#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

struct Parameter {
  std::string name;
  Tensor value;              // F32, on the heap: changed in place
  double learning_rate = 1;  // a factor (LoRA+)
  bool decays = true;        // weight decay applies
};

struct OptimiserOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;  // of SGD, and of Muon, where 0 means 0.95
};

// One thread at a time.
class Optimiser {
 public:
  virtual ~Optimiser() = default;

  // Changes the parameters by `gradients`, one each, in its shape. step: from 1.
  virtual void step(Executor& executor, std::span<Parameter> parameters, std::span<const Tensor> gradients,
                    double learning_rate, int64_t step) = 0;
  // All that it remembers, by name; the tensors are its own memory, which a checkpoint writes, or fills.
  virtual std::vector<NamedTensor> state() = 0;
};

struct OptimiserKind {
  std::string_view name;
  std::string_view summary;
  std::unique_ptr<Optimiser> (*make)(std::span<const Parameter> parameters, const OptimiserOptions& options);
  // What state() holds of one parameter.
  int64_t (*state_bytes)(std::string_view name, const Shape& shape, const OptimiserOptions& options);
};
// The list.
std::span<const OptimiserKind> optimiser_kinds();
// Error kInvalidArgument: names those that there are.
const OptimiserKind& find_optimiser(std::string_view name);

// √ of the sum of all squares, in double, in the order of the tensors.
double gradient_norm(Executor& executor, std::span<const Tensor> gradients);
void scale_gradients(Executor& executor, std::span<Tensor> gradients, double factor);

}  // namespace pelton
