// The one list of formats that hold weights. Each line names an element type and the file `quant/NAME.cc` that
// defines its decode_NAME and encode_NAME (contracts: blocks.h).
#pragma once

#include <cstddef>
#include <cstdint>

#define PELTON_WEIGHT_FORMATS(X) \
  X(kF32, f32)                   \
  X(kF16, f16)                   \
  X(kBF16, bf16)                 \
  X(kQ4_0, q4_0)                 \
  X(kQ4_1, q4_1)                 \
  X(kQ5_0, q5_0)                 \
  X(kQ5_1, q5_1)                 \
  X(kQ8_0, q8_0)                 \
  X(kQ4_K, q4_k)                 \
  X(kQ5_K, q5_k)                 \
  X(kQ6_K, q6_k)

namespace pelton::format {

#define PELTON_X(type, name)                                                 \
  void decode_##name(const std::byte* blocks, float* values, int64_t count); \
  void encode_##name(const float* values, std::byte* blocks, int64_t count);
PELTON_WEIGHT_FORMATS(PELTON_X)
#undef PELTON_X

}  // namespace pelton::format
