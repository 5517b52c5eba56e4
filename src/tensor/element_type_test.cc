#include "tensor/element_type.h"

#include <gtest/gtest.h>

#include <set>

namespace pelton {
namespace {

constexpr ElementType kAll[] = {
#define PELTON_X(name, spelling, gguf, safetensors, elements, bytes) ElementType::name,
    PELTON_ELEMENT_TYPES(PELTON_X)
#undef PELTON_X
};

TEST(ElementType, EachRowDescribesItsOwnType) {
  std::set<std::string_view> names;
  for (const ElementType type : kAll) {
    EXPECT_EQ(info(type).type, type);
    EXPECT_TRUE(names.insert(element_type_name(type)).second) << element_type_name(type);
    EXPECT_GT(info(type).block_elements, 0);
    EXPECT_GT(info(type).block_bytes, 0);
  }
}

TEST(ElementType, IdsComeBack) {
  for (const ElementType type : kAll) {
    if (info(type).gguf_id >= 0) {
      EXPECT_EQ(element_type_from_gguf(static_cast<uint32_t>(info(type).gguf_id)), type) << element_type_name(type);
    }
    if (!info(type).safetensors_name.empty()) {
      EXPECT_EQ(element_type_from_safetensors(info(type).safetensors_name), type) << element_type_name(type);
    }
  }
}

TEST(ElementType, UnknownIdsAreNone) {
  for (const uint32_t id : {4u, 5u, 31u, 1000u, 0xFFFFFFFFu}) EXPECT_EQ(element_type_from_gguf(id), std::nullopt) << id;
  for (const std::string_view dtype : {"", "f32", "F32 ", "F8_E5M2", "q4_0"}) {
    EXPECT_EQ(element_type_from_safetensors(dtype), std::nullopt) << dtype;
  }
}

TEST(ElementType, BytesCountWholeBlocks) {
  EXPECT_EQ(bytes_of(ElementType::kF32, 3), 12);
  EXPECT_EQ(bytes_of(ElementType::kQ4_0, 64), 36);
  EXPECT_EQ(bytes_of(ElementType::kQ6_K, 512), 420);
  EXPECT_EQ(bytes_of(ElementType::kQ8_0, 0), 0);
}

}  // namespace
}  // namespace pelton
