#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/rng.h"
#include "kernels/rope/rope.h"

namespace pelton {
namespace {

struct Inputs {
  std::vector<float> x, cosines, sines;
};

OpCase make_case(bool is_interleaved, bool is_inverse, int64_t head_width, int64_t pair_count) {
  constexpr int64_t kHeads = 3;
  Rng rng(static_cast<uint64_t>(head_width * 1000 + pair_count));
  auto inputs = std::make_shared<Inputs>();
  for (int64_t i = 0; i < kHeads * head_width; ++i) inputs->x.push_back(rng.next_symmetric());
  for (int64_t i = 0; i < pair_count; ++i) {
    const float angle = 4 * rng.next_symmetric();
    inputs->cosines.push_back(std::cos(angle));
    inputs->sines.push_back(std::sin(angle));
  }
  OpCase result;
  result.name = fmt::format("rope_{}{}/H={},K={},R={}", is_interleaved ? "interleaved" : "halves",
                            is_inverse ? "_inverse" : "", kHeads, head_width, 2 * pair_count);
  result.output_count = kHeads * head_width;
  result.tolerance = 0x1p-22;  // two products of at most 1 and their sum, fused or not: three roundings
  result.flops = 6.0 * static_cast<double>(kHeads * pair_count);
  result.bytes = 8.0 * static_cast<double>(kHeads * head_width + pair_count);
  result.run = [=](Isa isa, std::span<float> output) {
    std::copy(inputs->x.begin(), inputs->x.end(), output.begin());
    const RopeRow row = {output.data(),        kHeads,     head_width, inputs->cosines.data(),
                         inputs->sines.data(), pair_count, is_inverse};
    is_interleaved ? rope_kernels(isa).rotate_interleaved(row) : rope_kernels(isa).rotate_halves(row);
  };
  return result;
}

}  // namespace

void append_rope_cases(std::vector<OpCase>& cases) {
  for (bool is_interleaved : {false, true}) {
    for (bool is_inverse : {false, true}) {
      for (int64_t head_width : {16, 20, 64, 80, 128}) {
        cases.push_back(make_case(is_interleaved, is_inverse, head_width, head_width / 2));
      }
      cases.push_back(make_case(is_interleaved, is_inverse, 80, 13));  // the rest of a head stays as it is
      cases.push_back(make_case(is_interleaved, is_inverse, 5, 1));
    }
  }
}

}  // namespace pelton
