#include "ops/rope.h"

#include <cmath>

#include "base/check.h"
#include "kernels/rope/rope.h"
#include "ops/grain.h"

namespace pelton {

void RopeTable::prepare(Executor& executor, const RopeParameters& parameters, std::span<const int32_t> positions) {
  row_count_ = static_cast<int64_t>(positions.size());
  pair_count_ = static_cast<int64_t>(parameters.inverse_frequencies.size());
  pairing_ = parameters.pairing;
  const size_t wanted = static_cast<size_t>(2 * row_count_ * pair_count_);
  if (values_.size() < wanted) values_.resize(wanted);

  constexpr int64_t kOperationsOfAnAngle = 64;  // sine and cosine in double
  executor.parallel_for(row_count_, parallel_grain(row_count_, kOperationsOfAnAngle * pair_count_), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      float* cosines = values_.data() + 2 * row * pair_count_;
      float* sines = cosines + pair_count_;
      const double position = positions[static_cast<size_t>(row)];
      for (int64_t pair = 0; pair < pair_count_; ++pair) {
        const double angle = position * static_cast<double>(parameters.inverse_frequencies[static_cast<size_t>(pair)]);
        const double magnitude = parameters.magnitude;
        cosines[pair] = static_cast<float>(std::cos(angle) * magnitude);
        sines[pair] = static_cast<float>(std::sin(angle) * magnitude);
      }
    }
  });
}

void rope(Executor& executor, const RopeTable& table, RopeDirection direction, const RopeShape& shape, float* x) {
  CHECK(2 * table.pair_count() <= shape.head_width);
  const RopeKernels& kernels = rope_kernels(active_isa());
  const auto rotate = table.pairing() == RopePairing::kHalves ? kernels.rotate_halves : kernels.rotate_interleaved;
  const int64_t row_width = shape.head_count * shape.head_width;
  executor.parallel_for(table.row_count(), parallel_grain(table.row_count(), 2 * row_width), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      rotate({.x = x + row * row_width,
              .head_count = shape.head_count,
              .head_width = shape.head_width,
              .cosines = table.cosines(row),
              .sines = table.sines(row),
              .pair_count = table.pair_count(),
              .is_inverse = direction == RopeDirection::kBackward});
    }
  });
}

}  // namespace pelton
