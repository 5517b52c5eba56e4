// The two lists of formats that hold weights. Each line names an element type and the file `quant/NAME.cc` that defines
// its decode_NAME and, in the first list, encode_NAME (contracts: blocks.h).
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

// Those that files of others hold and Pelton does not write.
#define PELTON_READ_ONLY_FORMATS(X) \
  X(kQ2_K, q2_k)                    \
  X(kQ3_K, q3_k)                    \
  X(kIQ4_NL, iq4_nl)                \
  X(kIQ4_XS, iq4_xs)                \
  X(kMXFP4, mxfp4)                  \
  X(kTQ2_0, tq2_0)                  \
  X(kF8E4M3, f8_e4m3)

namespace pelton::format {

#define PELTON_X(type, name) void decode_##name(const std::byte* blocks, float* values, int64_t count);
PELTON_WEIGHT_FORMATS(PELTON_X)
PELTON_READ_ONLY_FORMATS(PELTON_X)
#undef PELTON_X

#define PELTON_X(type, name) void encode_##name(const float* values, std::byte* blocks, int64_t count);
PELTON_WEIGHT_FORMATS(PELTON_X)
#undef PELTON_X

}  // namespace pelton::format
