// The one list of element types: how they are called and how many bytes they take.
//
// A type with block_elements > 1 is a block format: `block_elements` consecutive values of a row share scales and lie
// in `block_bytes` bytes. A row's length must be a multiple of block_elements. Formats: ggml's specification of GGUF.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pelton {

// name, spelling, id in GGUF (-1: none), dtype in safetensors ("": none), elements a block, bytes a block
#define PELTON_ELEMENT_TYPES(X)              \
  X(kF32, "f32", 0, "F32", 1, 4)             \
  X(kF16, "f16", 1, "F16", 1, 2)             \
  X(kBF16, "bf16", 30, "BF16", 1, 2)         \
  X(kQ4_0, "q4_0", 2, "", 32, 18)            \
  X(kQ4_1, "q4_1", 3, "", 32, 20)            \
  X(kQ5_0, "q5_0", 6, "", 32, 22)            \
  X(kQ5_1, "q5_1", 7, "", 32, 24)            \
  X(kQ8_0, "q8_0", 8, "", 32, 34)            \
  X(kQ4_K, "q4_k", 12, "", 256, 144)         \
  X(kQ5_K, "q5_k", 13, "", 256, 176)         \
  X(kQ6_K, "q6_k", 14, "", 256, 210)         \
  X(kQ2_K, "q2_k", 10, "", 256, 84)          \
  X(kQ3_K, "q3_k", 11, "", 256, 110)         \
  X(kIQ4_NL, "iq4_nl", 20, "", 32, 18)       \
  X(kIQ4_XS, "iq4_xs", 23, "", 256, 136)     \
  X(kMXFP4, "mxfp4", 39, "", 32, 17)         \
  X(kTQ2_0, "tq2_0", 35, "", 256, 66)        \
  X(kF8E4M3, "f8_e4m3", -1, "F8_E4M3", 1, 1) \
  X(kU8, "u8", -1, "U8", 1, 1)               \
  X(kI8, "i8", 24, "I8", 1, 1)               \
  X(kI32, "i32", 26, "I32", 1, 4)            \
  X(kI64, "i64", 27, "I64", 1, 8)

enum class ElementType : uint8_t {
#define PELTON_X(name, spelling, gguf, safetensors, elements, bytes) name,
  PELTON_ELEMENT_TYPES(PELTON_X)
#undef PELTON_X
};

struct ElementTypeInfo {
  ElementType type;
  std::string_view name;
  int gguf_id;
  std::string_view safetensors_name;
  int block_elements;
  int block_bytes;
};

const ElementTypeInfo& info(ElementType type);
inline std::string_view element_type_name(ElementType type) { return info(type).name; }
std::optional<ElementType> element_type_from_gguf(uint32_t id);
std::optional<ElementType> element_type_from_safetensors(std::string_view dtype);

// Bytes of `count` elements; count must be a multiple of the type's block_elements.
int64_t bytes_of(ElementType type, int64_t count);

}  // namespace pelton
