// value = scale · (code − 8), codes of 4 bits. The value of largest magnitude gets code 0, so the range is used in
// full.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;

struct Block {
  uint16_t scale;        // FP16
  uint8_t codes[kHalf];  // low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 18);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kHalf; ++i) {
    values[i] = scale * static_cast<float>((block.codes[i] & 15) - 8);
    values[i + kHalf] = scale * static_cast<float>((block.codes[i] >> 4) - 8);
  }
}

Block encode_block(std::span<const float, kElements> values) {
  const Scale scale(largest_magnitude(values) / -8.0f);
  Block block{.scale = scale.bits, .codes = {}};
  for (size_t i = 0; i < kHalf; ++i) {
    const uint8_t low = code_from(values[i] * scale.inverse + 8.5f, 15);
    const uint8_t high = code_from(values[i + kHalf] * scale.inverse + 8.5f, 15);
    block.codes[i] = static_cast<uint8_t>(low | high << 4);
  }
  return block;
}

}  // namespace

void decode_q4_0(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q4_0(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
