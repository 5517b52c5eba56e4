// value = scale · code, codes from −127 to 127.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;

struct Block {
  uint16_t scale;  // FP16
  int8_t codes[kElements];
};
static_assert(sizeof(Block) == 34);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kElements; ++i) values[i] = scale * static_cast<float>(block.codes[i]);
}

Block encode_block(std::span<const float, kElements> values) {
  const Scale scale(std::abs(largest_magnitude(values)) / 127.0f);
  Block block{.scale = scale.bits, .codes = {}};
  for (size_t i = 0; i < kElements; ++i) {
    block.codes[i] = static_cast<int8_t>(std::clamp(std::round(values[i] * scale.inverse), -127.0f, 127.0f));
  }
  return block;
}

}  // namespace

void decode_q8_0(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q8_0(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
