#include "quant/blocks.h"

#include "base/check.h"
#include "quant/formats.h"

namespace pelton {
namespace {

struct Codec {
  ElementType type;
  DecodeFunction decode;
  EncodeFunction encode;
};

constexpr Codec kCodecs[] = {
#define PELTON_X(type, name) {ElementType::type, format::decode_##name, format::encode_##name},
    PELTON_WEIGHT_FORMATS(PELTON_X)
#undef PELTON_X
};

const Codec* find_codec(ElementType type) {
  for (const Codec& codec : kCodecs) {
    if (codec.type == type) return &codec;
  }
  return nullptr;
}

}  // namespace

bool can_decode(ElementType type) { return find_codec(type) != nullptr; }

DecodeFunction decode_function(ElementType type) {
  CHECK(can_decode(type));
  return find_codec(type)->decode;
}

EncodeFunction encode_function(ElementType type) {
  CHECK(can_decode(type));
  return find_codec(type)->encode;
}

}  // namespace pelton
