// value = scale · level of the code (nonlinear_codes.h), codes of 4 bits, 32 values. Read only.
#include "quant/block_codec.h"
#include "quant/formats.h"
#include "quant/nonlinear_codes.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;

struct Block {
  uint16_t scale;          // FP16
  uint8_t nibbles[kHalf];  // low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 18);

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = f32_from_f16(block.scale);
  for (size_t i = 0; i < kElements; ++i) {
    const int code = block.nibbles[i % kHalf] >> (i < kHalf ? 0 : 4) & 15;
    values[i] = scale * static_cast<float>(kNonlinearLevels[static_cast<size_t>(code)]);
  }
}

}  // namespace

void decode_iq4_nl(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
