// Codes of 4 bits in an affine super-block of 256 values.
#include "quant/affine_super_block.h"
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

struct Block {
  uint16_t scale;   // FP16
  uint16_t offset;  // FP16
  uint8_t sub_scales[12];
  uint8_t codes[128];  // 32 bytes for two sub-blocks: the low nibbles are the first one
};
static_assert(sizeof(Block) == 144);

void decode_block(const Block& block, std::span<float, kSuperElements> values) {
  const SubScales sub_scales = unpack_sub_scales(block.sub_scales);
  for (size_t sub = 0; sub < kSubBlocks; ++sub) {
    const float step = f32_from_f16(block.scale) * sub_scales.scale[sub];
    const float offset = f32_from_f16(block.offset) * sub_scales.offset[sub];
    for (size_t i = 0; i < kSubElements; ++i) {
      const int code = block.codes[sub / 2 * kSubElements + i] >> (sub % 2 * 4) & 15;
      values[sub * kSubElements + i] = step * static_cast<float>(code) - offset;
    }
  }
}

Block encode_block(std::span<const float, kSuperElements> values) {
  const AffineSuperBlock found = encode_affine_super_block(values, 15);
  Block block{.scale = found.scale, .offset = found.offset, .sub_scales = {}, .codes = {}};
  pack_sub_scales(found.sub_scales, block.sub_scales);
  for (size_t i = 0; i < kSuperElements; ++i) {
    const size_t sub = i / kSubElements;
    block.codes[sub / 2 * kSubElements + i % kSubElements] |= static_cast<uint8_t>(found.codes[i] << (sub % 2 * 4));
  }
  return block;
}

}  // namespace

void decode_q4_k(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

void encode_q4_k(const float* values, std::byte* blocks, int64_t count) {
  encode_each(values, blocks, count, encode_block);
}

}  // namespace pelton::format
