#include <fmt/format.h>

#include <memory>

#include "base/rng.h"
#include "kernels/dot/dot.h"

namespace pelton {

void append_dot_cases(std::vector<OpCase>& cases) {
  for (int64_t count : {1, 7, 16, 33, 64, 577, 1536, 4096}) {
    for (int64_t rows : {1, 3, 8}) {
      struct Inputs {
        std::vector<float> weight, x;
      };
      Rng rng(static_cast<uint64_t>(count * 10 + rows));
      auto inputs = std::make_shared<Inputs>();
      for (int64_t i = 0; i < count; ++i) inputs->weight.push_back(rng.next_symmetric());
      for (int64_t i = 0; i < count * rows; ++i) inputs->x.push_back(rng.next_symmetric());
      OpCase result;
      result.name = fmt::format("dot_rows/M={},K={}", rows, count);
      result.output_count = rows;
      // Two orders of the same sum differ by at most 2 · count · 2^-24 times the sum of magnitudes (about count / 4).
      // Random signs make it far less: count · 2^-24 / 4 still leaves a factor of 30.
      result.tolerance = static_cast<double>(count) * 0x1p-26;
      result.flops = 2.0 * static_cast<double>(count * rows);
      result.bytes = 4.0 * static_cast<double>(count * (rows + 1) + rows);
      result.run = [inputs, count, rows](Isa isa, std::span<float> output) {
        dot_kernels(isa).dot_rows(inputs->weight.data(), count, {inputs->x.data(), count, rows, output.data(), 1});
      };
      cases.push_back(std::move(result));
    }
  }
}

}  // namespace pelton
