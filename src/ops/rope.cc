#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "kernels/rope/rope.h"
#include "ops/grain.h"

namespace pelton {

RopeParameters RopeParameters::for_length(int64_t length) const {
  if (growth && length > short_length) {
    const auto width = 2.0 * static_cast<double>(inverse_frequencies.size());
    const double grown =
        growth->factor * static_cast<double>(length) / static_cast<double>(short_length) - (growth->factor - 1);
    const double theta = growth->theta * std::pow(grown, width / std::max(width - 2, 1.0));
    std::vector<float> frequencies;
    for (double i = 0; i < width; i += 2) frequencies.push_back(static_cast<float>(std::pow(theta, -i / width)));
    return {.inverse_frequencies = std::move(frequencies), .magnitude = magnitude, .pairing = pairing};
  }
  const bool is_long = !long_inverse_frequencies.empty() && length > short_length;
  return {.inverse_frequencies = is_long ? long_inverse_frequencies : inverse_frequencies,
          .magnitude = magnitude,
          .pairing = pairing};
}

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

namespace {

// Heads of some rows.
struct RopeHeads {
  Range rows;
  int64_t first_head;
  int64_t head_count;
};

void rotate(const RopeTable& table, RopeDirection direction, const RopeShape& shape, const RopeHeads& heads, float* x) {
  const RopeKernels& kernels = rope_kernels(active_isa());
  const auto kernel = table.pairing() == RopePairing::kHalves ? kernels.rotate_halves : kernels.rotate_interleaved;
  for (int64_t row = heads.rows.begin; row < heads.rows.end; ++row) {
    kernel({.x = x + (row * shape.head_count + heads.first_head) * shape.head_width,
            .head_count = heads.head_count,
            .head_width = shape.head_width,
            .cosines = table.cosines(row),
            .sines = table.sines(row),
            .pair_count = table.pair_count(),
            .is_inverse = direction == RopeDirection::kBackward});
  }
}

}  // namespace

void rope(Executor& executor, const RopeTable& table, RopeDirection direction, const RopeShape& shape, float* x) {
  CHECK(2 * table.pair_count() <= shape.head_width);
  const int64_t row_width = shape.head_count * shape.head_width;
  executor.parallel_for(table.row_count(), parallel_grain(table.row_count(), 2 * row_width), [&](Range rows) {
    rotate(table, direction, shape, {rows, 0, shape.head_count}, x);
  });
}

void rope_head(const RopeTable& table, const RopeShape& shape, int64_t head, float* x) {
  CHECK(2 * table.pair_count() <= shape.head_width && head < shape.head_count);
  rotate(table, RopeDirection::kForward, shape, {{0, table.row_count()}, head, 1}, x);
}

}  // namespace pelton
