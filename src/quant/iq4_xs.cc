// value = (scale · (sub_scale − 32)) · level of the code (nonlinear_codes.h): codes of 4 bits, 256 values in 8
// sub-blocks of 32 with 6-bit sub-scales. Read only.
#include "quant/block_codec.h"
#include "quant/formats.h"
#include "quant/nonlinear_codes.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 256;
constexpr size_t kSubElements = 32;
constexpr size_t kHalf = kSubElements / 2;

struct Block {
  uint16_t scale;                  // FP16
  uint16_t sub_scales_high;        // bit pair s: bits 4 and 5 of sub-scale s
  uint8_t sub_scales_low[4];       // nibble s
  uint8_t nibbles[kElements / 2];  // 16 bytes a sub-block; low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 136);

void decode_block(const Block& block, std::span<float, kElements> values) {
  for (size_t i = 0; i < kElements; ++i) {
    const size_t sub = i / kSubElements;
    const size_t at = i % kSubElements;
    const int low = block.sub_scales_low[sub / 2] >> (sub % 2 * 4) & 15;
    const int high = block.sub_scales_high >> (sub * 2) & 3;
    const float step = f32_from_f16(block.scale) * static_cast<float>((low | high << 4) - 32);
    const int code = block.nibbles[sub * kHalf + at % kHalf] >> (at < kHalf ? 0 : 4) & 15;
    values[i] = step * static_cast<float>(kNonlinearLevels[static_cast<size_t>(code)]);
  }
}

}  // namespace

void decode_iq4_xs(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
