// value = (scale · (sub_scale − 32)) · (code − 4): codes of 3 bits, 256 values in 16 sub-blocks of 16 with 6-bit
// sub-scales. Read only.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 256;
constexpr size_t kSubElements = 16;

struct Block {
  uint8_t third_bits[32];  // bit r of byte i: bit 2 of the codes of run r (of 32 values) at i
  uint8_t pairs[64];       // of each half of the block 32 bytes: bit pair r is run r of 32 values
  uint8_t sub_scales[12];
  uint16_t scale;  // FP16
};
static_assert(sizeof(Block) == 110);

// The low nibbles of sub-scales 0–7 and 8–15 share bytes 0–7; bit pair g of bytes 8–11 completes sub-scales 4g to 4g
// + 3.
int sub_scale(const Block& block, size_t sub) {
  const int low = block.sub_scales[sub % 8] >> (sub / 8 * 4) & 15;
  const int high = block.sub_scales[8 + sub % 4] >> (sub / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

void decode_block(const Block& block, std::span<float, kElements> values) {
  for (size_t i = 0; i < kElements; ++i) {
    const int low = block.pairs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int third = block.third_bits[i % 32] >> (i / 32) & 1;
    const float step = f32_from_f16(block.scale) * static_cast<float>(sub_scale(block, i / kSubElements));
    values[i] = step * static_cast<float>((low | third << 2) - 4);
  }
}

}  // namespace

void decode_q3_k(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
