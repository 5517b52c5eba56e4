// value = (scale · sub_scale) · (code − 32), codes of 6 bits, 256 values in 16 sub-blocks of 16 with 8-bit sub-scales.
#include <array>

#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 256;
constexpr size_t kSubElements = 16;
constexpr size_t kSubBlocks = kElements / kSubElements;

struct Block {
  uint8_t low_nibbles[128];
  uint8_t high_pairs[64];  // bits 4 and 5
  int8_t sub_scales[kSubBlocks];
  uint16_t scale;  // FP16
};
static_assert(sizeof(Block) == 210);

// Where an element's bits lie: each half of the block holds four runs of 32 elements; runs 0 and 1 are the low nibbles
// of its 64 bytes, runs 2 and 3 the high ones, and run r is bit pair r of its 32 bytes of pairs.
struct Place {
  explicit Place(size_t element) {
    const size_t half = element / 128;
    const size_t run = element % 128 / 32;
    const size_t at = element % 32;
    nibble_byte = half * 64 + run % 2 * 32 + at;
    nibble_shift = static_cast<int>(run / 2 * 4);
    pair_byte = half * 32 + at;
    pair_shift = static_cast<int>(run * 2);
  }
  size_t nibble_byte;
  int nibble_shift;
  size_t pair_byte;
  int pair_shift;
};

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kElements; ++i) {
    const Place place(i);
    const int low = block.low_nibbles[place.nibble_byte] >> place.nibble_shift & 15;
    const int high = block.high_pairs[place.pair_byte] >> place.pair_shift & 3;
    const float step = scale * static_cast<float>(block.sub_scales[i / kSubElements]);
    values[i] = step * static_cast<float>((low | high << 4) - 32);
  }
}

using SubBlock = std::span<const float, kSubElements>;

double code_of(double value, double step) {
  return step == 0.0 ? 0.0 : std::clamp(std::floor(value / step + 0.5), -32.0, 31.0);
}

double squared_error(SubBlock values, double step) {
  double sum = 0.0;
  for (const double value : values) {
    const double difference = value - step * code_of(value, step);
    sum += difference * difference;
  }
  return sum;
}

// The least-squares step for the codes that `step` gives.
double refit(SubBlock values, double step) {
  double products = 0.0, squares = 0.0;
  for (const double value : values) {
    const double code = code_of(value, step);
    products += code * value;
    squares += code * code;
  }
  return squares == 0.0 ? step : products / squares;
}

// Tries steps around the one that gives the value of largest magnitude the code −32, and refits each.
double best_step(SubBlock values) {
  const double largest = largest_magnitude(values);
  double best = largest / -32.0;
  double least = squared_error(values, best);
  for (double levels = 31.0; levels <= 34.0; levels += 0.125) {
    const double step = refit(values, largest / -levels);
    const double error = squared_error(values, step);
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

Block encode_block(std::span<const float, kElements> values) {
  std::array<float, kSubBlocks> steps;
  for (size_t sub = 0; sub < kSubBlocks; ++sub) {
    steps[sub] = static_cast<float>(best_step(values.subspan(sub * kSubElements).first<kSubElements>()));
  }

  Block block{};
  block.scale = saturated_f16(largest_magnitude(steps) / -128.0f);
  const double unit = f32_from_f16(block.scale);
  for (size_t sub = 0; sub < kSubBlocks; ++sub) {
    const SubBlock sub_values = values.subspan(sub * kSubElements).first<kSubElements>();
    const int nearest = unit == 0.0 ? 0 : static_cast<int>(std::clamp(std::round(steps[sub] / unit), -128.0, 127.0));
    double least = INFINITY;
    for (int sub_scale = std::max(nearest - 2, -128); sub_scale <= std::min(nearest + 2, 127); ++sub_scale) {
      const double error = squared_error(sub_values, unit * sub_scale);
      if (error >= least) continue;
      least = error;
      block.sub_scales[sub] = static_cast<int8_t>(sub_scale);
    }
    const double step = unit * block.sub_scales[sub];
    for (size_t i = 0; i < kSubElements; ++i) {
      const int code = static_cast<int>(code_of(sub_values[i], step)) + 32;
      const Place place(sub * kSubElements + i);
      block.low_nibbles[place.nibble_byte] |= static_cast<uint8_t>((code & 15) << place.nibble_shift);
      block.high_pairs[place.pair_byte] |= static_cast<uint8_t>((code >> 4) << place.pair_shift);
    }
  }
  return block;
}

}  // namespace

void decode_q6_k(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q6_k(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
