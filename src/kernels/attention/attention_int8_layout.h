// A block of an 8-bit page: 16 tokens of one key/value head.
//
//   keys    [K / 4][16][4]  bytes of value + 128: four dimensions of 16 tokens are one 64-byte vector
//   values  [4][K'][4]      signed: four tokens of 16 dimensions are one; K' = K rounded up to 16
//   scales  [16] of the keys, [16] of the values, float32: one for each token
//
// K is rounded up to 4 for the keys; what is added holds zeros in queries, so it may hold anything in keys. Values
// are filled up with zeros. Only for
// the sources of this family; inlined always: an ISA object must not export it.
#pragma once

#include "kernels/attention/attention.h"

namespace pelton {

struct KvInt8Layout {
  int64_t head_width;

  [[gnu::always_inline]] int64_t key_width() const { return (head_width + 3) / 4 * 4; }
  [[gnu::always_inline]] int64_t value_width() const { return (head_width + 15) / 16 * 16; }
  [[gnu::always_inline]] int64_t values_at() const { return kAttentionPageTokens * key_width(); }
  [[gnu::always_inline]] int64_t key_scales_at() const { return values_at() + kAttentionPageTokens * value_width(); }
  [[gnu::always_inline]] int64_t value_scales_at() const { return key_scales_at() + 4 * kAttentionPageTokens; }
  [[gnu::always_inline]] int64_t bytes() const { return value_scales_at() + 4 * kAttentionPageTokens; }
};

}  // namespace pelton
