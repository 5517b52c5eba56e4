// Microscaling FP4 (OCP Microscaling Formats 1.0): value = 2^(scale − 127) · E2M1 code, 32 values. In ggml's block the
// codes' levels are doubled and the scale is halved. Read only.
#include <array>
#include <bit>

#include "quant/block_codec.h"
#include "quant/formats.h"

namespace pelton::format {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;
constexpr std::array<float, 16> kLevels = {0.0f, 1.0f,  2.0f,  3.0f,  4.0f,  6.0f,  8.0f,  12.0f,
                                           0.0f, -1.0f, -2.0f, -3.0f, -4.0f, -6.0f, -8.0f, -12.0f};

struct Block {
  uint8_t scale;           // E8M0
  uint8_t nibbles[kHalf];  // low nibble: element i, high nibble: element i + 16
};
static_assert(sizeof(Block) == 17);

// 2^(scale − 128); the two smallest are subnormal.
float half_scale(uint8_t scale) {
  const uint32_t bits = scale < 2 ? uint32_t{0x00200000} << scale : uint32_t{scale - 1u} << 23;
  return std::bit_cast<float>(bits);
}

void decode_block(const Block& block, std::span<float, kElements> values) {
  const float scale = half_scale(block.scale);
  for (size_t i = 0; i < kElements; ++i) {
    const int code = block.nibbles[i % kHalf] >> (i < kHalf ? 0 : 4) & 15;
    values[i] = scale * kLevels[static_cast<size_t>(code)];
  }
}

}  // namespace

void decode_mxfp4(const std::byte* blocks, float* values, int64_t count) {
  decode_each(blocks, values, count, decode_block);
}

}  // namespace pelton::format
