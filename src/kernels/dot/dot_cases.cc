#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/dot/dot.h"

namespace pelton {

namespace {

struct Inputs {
  std::vector<float> weight;  // [N, K]
  std::vector<float> x;       // [M, K]
};

std::shared_ptr<const Inputs> make_inputs(int64_t weights, int64_t rows, int64_t count) {
  Rng rng(static_cast<uint64_t>(count * 10 + rows));
  auto inputs = std::make_shared<Inputs>();
  for (int64_t i = 0; i < count * weights; ++i) inputs->weight.push_back(rng.next_symmetric());
  for (int64_t i = 0; i < count * rows; ++i) inputs->x.push_back(rng.next_symmetric());
  return inputs;
}

OpCase make_case(std::string name, int64_t weights, int64_t rows, int64_t count) {
  OpCase result;
  result.name = std::move(name);
  result.output_count = weights * rows;
  // Two orders of the same sum differ by at most 2 · count · 2^-24 times the sum of magnitudes (about count / 4).
  // Random signs make it far less: count · 2^-24 / 4 still leaves a factor of 30.
  result.tolerance = static_cast<double>(count) * 0x1p-26;
  result.flops = 2.0 * static_cast<double>(count * weights * rows);
  result.bytes = 4.0 * static_cast<double>(count * (rows + weights) + rows * weights);
  return result;
}

}  // namespace

void append_dot_cases(std::vector<OpCase>& cases) {
  struct Shape {
    int64_t rows, weights, count;
  };
  for (const Shape& shape : {Shape{1, 1, 1},
                             {2, 3, 7},
                             {5, 4, 16},
                             {3, 7, 33},
                             {1, 16, 576},
                             {6, 5, 64},
                             {7, 4, 15},
                             {8, 1, 1536},
                             {33, 16, 577},
                             {128, 16, 576},
                             {4, 16, 4096}}) {
    const auto [rows, weights, count] = shape;
    OpCase result = make_case(fmt::format("dot_block/M={},N={},K={}", rows, weights, count), weights, rows, count);
    result.run = [inputs = make_inputs(weights, rows, count), shape](Isa isa, std::span<float> output) {
      dot_kernel(isa)({.weight = inputs->weight.data(),
                       .weight_count = shape.weights,
                       .x = inputs->x.data(),
                       .row_count = shape.rows,
                       .count = shape.count,
                       .y = output.data(),
                       .y_stride = shape.weights});
    };
    cases.push_back(std::move(result));
  }
}

}  // namespace pelton
