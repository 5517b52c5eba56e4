#include "quant/affine_super_block.h"

#include <algorithm>
#include <cmath>

#include "quant/block_codec.h"

namespace pelton::format {
namespace {

using SubBlock = std::span<const float, kSubElements>;

// value = step · code − offset, both at least 0.
struct Grid {
  double step = 0.0;
  double offset = 0.0;
};

double code_of(double value, const Grid& grid, int code_max) {
  if (grid.step == 0.0) return 0.0;
  return std::clamp(std::floor((value + grid.offset) / grid.step + 0.5), 0.0, static_cast<double>(code_max));
}

double squared_error(SubBlock values, const Grid& grid, int code_max) {
  double sum = 0.0;
  for (const double value : values) {
    const double difference = value - (grid.step * code_of(value, grid, code_max) - grid.offset);
    sum += difference * difference;
  }
  return sum;
}

// The least-squares step and offset for the codes that `grid` gives.
Grid refit(SubBlock values, const Grid& grid, int code_max) {
  double codes = 0.0, squares = 0.0, products = 0.0, sum = 0.0;
  for (const double value : values) {
    const double code = code_of(value, grid, code_max);
    codes += code;
    squares += code * code;
    products += code * value;
    sum += value;
  }
  const double count = kSubElements;
  const double determinant = count * squares - codes * codes;
  if (determinant <= 0.0) return grid;  // all codes are equal: every step fits
  const double step = (count * products - codes * sum) / determinant;
  const double offset = (step * codes - sum) / count;
  if (offset < 0.0) return {std::max(products / squares, 0.0), 0.0};
  return {std::max(step, 0.0), offset};
}

// Tries steps from a little coarser to finer than the full range needs (finer ones clip the extremes, which pays when
// they are alone) and refits each.
Grid best_grid(SubBlock values, int code_max) {
  const auto [minimum, maximum] = std::minmax_element(values.begin(), values.end());
  const double offset = std::max(-static_cast<double>(*minimum), 0.0);
  const double range = *maximum + offset;
  if (range <= 0.0) return {0.0, offset};  // one value, not above zero
  Grid best{range / code_max, offset};
  double least = squared_error(values, best, code_max);
  for (double levels = code_max - 1.0; levels <= code_max + 4.0; levels += 0.25) {
    const Grid grid = refit(values, {range / levels, offset}, code_max);
    const double error = squared_error(values, grid, code_max);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

int nearest_six_bits(double value, double unit) {
  return unit == 0.0 ? 0 : static_cast<int>(std::clamp(std::round(value / unit), 0.0, 63.0));
}

}  // namespace

SubScales unpack_sub_scales(std::span<const uint8_t, 12> packed) {
  SubScales scales{};
  for (size_t i = 0; i < 4; ++i) {
    scales.scale[i] = packed[i] & 63;
    scales.offset[i] = packed[i + 4] & 63;
    scales.scale[i + 4] = static_cast<uint8_t>((packed[i + 8] & 15) | (packed[i] >> 6) << 4);
    scales.offset[i + 4] = static_cast<uint8_t>((packed[i + 8] >> 4) | (packed[i + 4] >> 6) << 4);
  }
  return scales;
}

void pack_sub_scales(const SubScales& scales, std::span<uint8_t, 12> packed) {
  for (size_t i = 0; i < 4; ++i) {
    packed[i] = static_cast<uint8_t>(scales.scale[i] | (scales.scale[i + 4] >> 4) << 6);
    packed[i + 4] = static_cast<uint8_t>(scales.offset[i] | (scales.offset[i + 4] >> 4) << 6);
    packed[i + 8] = static_cast<uint8_t>((scales.scale[i + 4] & 15) | (scales.offset[i + 4] & 15) << 4);
  }
}

AffineSuperBlock encode_affine_super_block(std::span<const float, kSuperElements> values, int code_max) {
  std::array<Grid, kSubBlocks> grids;
  Grid largest;
  for (size_t sub = 0; sub < kSubBlocks; ++sub) {
    grids[sub] = best_grid(values.subspan(sub * kSubElements).first<kSubElements>(), code_max);
    largest = {std::max(largest.step, grids[sub].step), std::max(largest.offset, grids[sub].offset)};
  }

  AffineSuperBlock block{};
  block.scale = saturated_f16(static_cast<float>(largest.step / 63.0));
  block.offset = saturated_f16(static_cast<float>(largest.offset / 63.0));
  const Grid unit{f32_from_f16(block.scale), f32_from_f16(block.offset)};

  for (size_t sub = 0; sub < kSubBlocks; ++sub) {
    const SubBlock sub_values = values.subspan(sub * kSubElements).first<kSubElements>();
    const int scale = nearest_six_bits(grids[sub].step, unit.step);
    const int offset = nearest_six_bits(grids[sub].offset, unit.offset);
    // Rounding moves step and offset apart; a neighbour of the nearest pair is often the better pair.
    Grid best;
    double least = INFINITY;
    for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, 63); ++s) {
      for (int o = std::max(offset - 1, 0); o <= std::min(offset + 1, 63); ++o) {
        const Grid grid{unit.step * s, unit.offset * o};
        const double error = squared_error(sub_values, grid, code_max);
        if (error >= least) continue;
        least = error;
        best = grid;
        block.sub_scales.scale[sub] = static_cast<uint8_t>(s);
        block.sub_scales.offset[sub] = static_cast<uint8_t>(o);
      }
    }
    for (size_t i = 0; i < kSubElements; ++i) {
      block.codes[sub * kSubElements + i] = static_cast<uint8_t>(code_of(sub_values[i], best, code_max));
    }
  }
  return block;
}

}  // namespace pelton::format
