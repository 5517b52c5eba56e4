#include "quant/blocks.h"

#include "base/check.h"
#include "quant/formats.h"

namespace pelton {
namespace {

struct Codec {
  ElementType type;
  DecodeFunction decode;
  EncodeFunction encode;  // null: Pelton reads the format only
};

constexpr Codec kCodecs[] = {
#define PELTON_X(type, name) {ElementType::type, format::decode_##name, format::encode_##name},
    PELTON_WEIGHT_FORMATS(PELTON_X)
#undef PELTON_X
#define PELTON_X(type, name) {ElementType::type, format::decode_##name, nullptr},
        PELTON_READ_ONLY_FORMATS(PELTON_X)
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

bool can_encode(ElementType type) {
  const Codec* codec = find_codec(type);
  return codec != nullptr && codec->encode != nullptr;
}

EncodeFunction encode_function(ElementType type) {
  CHECK(can_encode(type));
  return find_codec(type)->encode;
}

}  // namespace pelton
