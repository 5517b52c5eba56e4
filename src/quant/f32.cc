#include <cstring>

#include "quant/formats.h"

namespace pelton::format {

void decode_f32(const std::byte* blocks, float* values, int64_t count) {
  std::memcpy(values, blocks, static_cast<size_t>(count) * sizeof(float));
}

void encode_f32(const float* values, std::byte* blocks, int64_t count) {
  std::memcpy(blocks, values, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace pelton::format
