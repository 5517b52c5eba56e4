// What the block formats share: the walk over unaligned blocks, and FP16 scales that never become infinite.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "quant/half.h"

namespace pelton::format {

// Calls `decode_block(block, values)` for each block. The copy makes unaligned input legal and costs nothing.
template <typename Block, size_t kElements>
void decode_each(const std::byte* blocks, float* values, int64_t count,
                 void (*decode_block)(const Block&, std::span<float, kElements>)) {
  for (int64_t start = 0; start < count; start += kElements, blocks += sizeof(Block)) {
    Block block;
    std::memcpy(&block, blocks, sizeof(Block));
    decode_block(block, std::span<float, kElements>(values + start, kElements));
  }
}

template <typename Block, size_t kElements>
void encode_each(const float* values, std::byte* blocks, int64_t count,
                 Block (*encode_block)(std::span<const float, kElements>)) {
  for (int64_t start = 0; start < count; start += kElements, blocks += sizeof(Block)) {
    const Block block = encode_block(std::span<const float, kElements>(values + start, kElements));
    std::memcpy(blocks, &block, sizeof(Block));
  }
}

inline constexpr float kF16Max = 65504.0f;

// The nearest finite FP16: a value that a scale cannot express saturates, it does not poison its block with infinity.
inline uint16_t saturated_f16(float value) { return f16_from_f32(std::clamp(value, -kF16Max, kF16Max)); }

// A scale as the block holds it, and the factor from values to codes.
struct Scale {
  explicit Scale(float exact) : bits(saturated_f16(exact)) {
    const float stored = f32_from_f16(bits);
    // As in ggml, codes come from the exact scale, so that files are the same byte for byte. Where FP16 holds it badly
    // (tiny, zero, saturated) they come from the stored one, which is what decoding will multiply by.
    const bool is_close = std::abs(stored - exact) <= std::abs(exact) / 256.0f;
    const float divisor = is_close ? exact : stored;
    inverse = divisor == 0.0f ? 0.0f : 1.0f / divisor;
  }

  uint16_t bits;
  float inverse;
};

// Cuts `shifted` (a scaled value plus the code of zero plus a half: rounding to nearest) to a code in 0 .. code_max.
inline uint8_t code_from(float shifted, int code_max) {
  return static_cast<uint8_t>(std::clamp(shifted, 0.0f, static_cast<float>(code_max)));
}

// The first of the values that are largest in magnitude, with its sign; 0 for zeros.
inline float largest_magnitude(std::span<const float> values) {
  float largest = 0.0f;
  for (const float value : values) {
    if (std::abs(value) > std::abs(largest)) largest = value;
  }
  return largest;
}

}  // namespace pelton::format
