// value = scale · (code − 16), codes of 5 bits. The value of largest magnitude gets code 0, so the range is used in
// full.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;

struct Block {
  uint16_t scale;              // FP16
  uint8_t fifth_bits[4];       // bit i: bit 4 of element i, little-endian
  uint8_t low_nibbles[kHalf];  // low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 22);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kElements; ++i) {
    const int low = block.low_nibbles[i % kHalf] >> (i < kHalf ? 0 : 4) & 15;
    const int fifth = block.fifth_bits[i / 8] >> (i % 8) & 1;
    values[i] = scale * static_cast<float>((low | fifth << 4) - 16);
  }
}

Block encode_block(std::span<const float, kElements> values) {
  const Scale scale(largest_magnitude(values) / -16.0f);
  Block block{.scale = scale.bits, .fifth_bits = {}, .low_nibbles = {}};
  for (size_t i = 0; i < kElements; ++i) {
    const uint8_t code = code_from(values[i] * scale.inverse + 16.5f, 31);
    block.low_nibbles[i % kHalf] |= static_cast<uint8_t>((code & 15) << (i < kHalf ? 0 : 4));
    block.fifth_bits[i / 8] |= static_cast<uint8_t>((code >> 4) << (i % 8));
  }
  return block;
}

}  // namespace

void decode_q5_0(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q5_0(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
