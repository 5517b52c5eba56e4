// Scalar encode and decode of every element type that can hold weights: the reference for all fast paths.
// Block layouts and rounding follow ggml's (ggml-quants.c); decode is exact (at most one rounding, so every
// order of operations gives the same bits), encode is round-to-nearest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/element_type.h"

namespace pelton {

// `count` elements (a multiple of the type's block_elements) from `blocks` to `values`. `blocks` may be unaligned.
using DecodeFunction = void (*)(const std::byte* blocks, float* values, int64_t count);
// The other way. Inputs must be finite; what an FP16 scale cannot reach saturates. The simple formats give ggml's
// bytes; the K-formats search for their scales themselves (affine_super_block.h), so that their bytes differ from
// ggml's.
using EncodeFunction = void (*)(const float* values, std::byte* blocks, int64_t count);

// False for integer types, which hold no weights.
bool can_decode(ElementType type);
DecodeFunction decode_function(ElementType type);  // CHECKs can_decode
// False for those, and for formats that Pelton reads only.
bool can_encode(ElementType type);
EncodeFunction encode_function(ElementType type);  // CHECKs can_encode

}  // namespace pelton
