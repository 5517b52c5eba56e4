// value = scale · code + minimum, codes of 4 bits.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;

struct Block {
  uint16_t scale;        // FP16
  uint16_t minimum;      // FP16
  uint8_t codes[kHalf];  // low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 20);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  const float minimum = f32_from_f16(block.minimum);
  for (size_t i = 0; i < kHalf; ++i) {
    values[i] = scale * static_cast<float>(block.codes[i] & 15) + minimum;
    values[i + kHalf] = scale * static_cast<float>(block.codes[i] >> 4) + minimum;
  }
}

Block encode_block(std::span<const float, kElements> values) {
  const auto [minimum, maximum] = std::minmax_element(values.begin(), values.end());
  const Scale scale((*maximum - *minimum) / 15.0f);
  Block block{.scale = scale.bits, .minimum = saturated_f16(*minimum), .codes = {}};
  for (size_t i = 0; i < kHalf; ++i) {
    const uint8_t low = code_from((values[i] - *minimum) * scale.inverse + 0.5f, 15);
    const uint8_t high = code_from((values[i + kHalf] - *minimum) * scale.inverse + 0.5f, 15);
    block.codes[i] = static_cast<uint8_t>(low | high << 4);
  }
  return block;
}

}  // namespace

void decode_q4_1(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q4_1(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
