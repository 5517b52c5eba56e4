// value = (scale · sub_scale) · code − offset · sub_offset: codes of 2 bits, 256 values in 16 sub-blocks of 16, whose
// sub-scales and sub-offsets have 4 bits each. Read only.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 256;
constexpr size_t kSubElements = 16;

struct Block {
  uint8_t sub_scales[kElements / kSubElements];  // low nibble: scale, high nibble: offset
  uint8_t pairs[64];                             // of each half of the block 32 bytes: bit pair r is run r of 32 values
  uint16_t scale;                                // FP16
  uint16_t offset;                               // FP16
};
static_assert(sizeof(Block) == 84);

void decode_block(const Block& block, std::span<float, kElements> values) {
  for (size_t i = 0; i < kElements; ++i) {
    const int sub = block.sub_scales[i / kSubElements];
    const int code = block.pairs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const float step = f32_from_f16(block.scale) * static_cast<float>(sub & 15);
    const float offset = f32_from_f16(block.offset) * static_cast<float>(sub >> 4);
    values[i] = step * static_cast<float>(code) - offset;
  }
}

}  // namespace

void decode_q2_k(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
