#include "tensor/element_type.h"

#include "base/check.h"

namespace pelton {
namespace {

constexpr ElementTypeInfo kInfos[] = {
#define PELTON_X(name, spelling, gguf, safetensors, elements, bytes) \
  {ElementType::name, spelling, gguf, safetensors, elements, bytes},
    PELTON_ELEMENT_TYPES(PELTON_X)
#undef PELTON_X
};

}  // namespace

const ElementTypeInfo& info(ElementType type) { return kInfos[static_cast<size_t>(type)]; }

std::optional<ElementType> element_type_from_gguf(uint32_t id) {
  for (const ElementTypeInfo& row : kInfos) {
    if (row.gguf_id >= 0 && static_cast<uint32_t>(row.gguf_id) == id) return row.type;
  }
  return std::nullopt;
}

std::optional<ElementType> element_type_from_safetensors(std::string_view dtype) {
  for (const ElementTypeInfo& row : kInfos) {
    if (!row.safetensors_name.empty() && row.safetensors_name == dtype) return row.type;
  }
  return std::nullopt;
}

int64_t bytes_of(ElementType type, int64_t count) {
  const ElementTypeInfo& row = info(type);
  DCHECK(count % row.block_elements == 0);
  return count / row.block_elements * row.block_bytes;
}

}  // namespace pelton
