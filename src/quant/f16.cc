#include <cstring>

#include "quant/formats.h"
#include "quant/half.h"

namespace pelton::format {

void decode_f16(const std::byte* blocks, float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, blocks + i * 2, sizeof(bits));
    values[i] = f32_from_f16(bits);
  }
}

void encode_f16(const float* values, std::byte* blocks, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = f16_from_f32(values[i]);
    std::memcpy(blocks + i * 2, &bits, sizeof(bits));
  }
}

}  // namespace pelton::format
