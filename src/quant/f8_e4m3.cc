// FP8 E4M3 (Micikevicius et al. 2022, arXiv 2209.05433): a sign, 4 bits of exponent with a bias of 7, 3 of mantissa; no
// infinity, and NaN where all bits but the sign are set. Read only.
#include <bit>

#include "quant/formats.h"

namespace pelton::format {
namespace {

float value_of(uint8_t code) {
  const uint32_t sign = uint32_t{code} >> 7 << 31;
  const uint32_t magnitude = code & 0x7F;
  if (magnitude == 0x7F) return std::bit_cast<float>(sign | 0x7FC00000u);
  if (magnitude < 8) {  // subnormal: steps of 2^−9
    const float value = static_cast<float>(magnitude) * 0x1p-9f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 20) + (uint32_t{127 - 7} << 23)));
}

}  // namespace

void decode_f8_e4m3(const std::byte* blocks, float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = value_of(static_cast<uint8_t>(blocks[i]));
}

}  // namespace pelton::format
