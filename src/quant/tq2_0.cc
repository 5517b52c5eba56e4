// Ternary: value = scale · (code − 1), codes of 2 bits, 256 values. Read only.
#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 256;

struct Block {
  uint8_t pairs[64];  // of each half of the block 32 bytes: bit pair r is run r of 32 values
  uint16_t scale;     // FP16
};
static_assert(sizeof(Block) == 66);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kElements; ++i) {
    const int code = block.pairs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    values[i] = scale * static_cast<float>(code - 1);
  }
}

}  // namespace

void decode_tq2_0(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
