// Where things lie in a packed tile (described in qdot.h), as constants that each ISA's templates are instantiated
// with. Only for the sources of this family. Everything here is inlined always: an ISA object must not export it.
#pragma once

#include "kernels/qdot/qdot.h"

namespace pelton {

template <int kBitsOf, int kOffsetOf, bool kHasMinimumOf, int kScaleBytesOf>
struct QdotLayout {
  static constexpr int kBits = kBitsOf;
  static constexpr int kOffset = kOffsetOf;
  static constexpr bool kHasMinimum = kHasMinimumOf;
  static constexpr int kScaleBytes = kScaleBytesOf;
  static constexpr int64_t kIntegerBytes = kQdotTileRows * kQdotBlockValues * kBits / 8;  // of a block
  static constexpr int64_t kScalesBytes = kQdotTileRows * kScaleBytes;                    // of a block
  static constexpr int64_t kUnitBytes = 2 * (kIntegerBytes + kScalesBytes * (kHasMinimum ? 2 : 1));

  [[gnu::always_inline]] static int64_t tile_bytes(int64_t block_count) { return (block_count + 1) / 2 * kUnitBytes; }
  [[gnu::always_inline]] static int64_t integers_at(int64_t block) {
    return block / 2 * kUnitBytes + block % 2 * kIntegerBytes;
  }
  [[gnu::always_inline]] static int64_t scales_at(int64_t block) {
    return block / 2 * kUnitBytes + 2 * kIntegerBytes + block % 2 * kScalesBytes;
  }
  [[gnu::always_inline]] static int64_t minima_at(int64_t block) { return scales_at(block) + 2 * kScalesBytes; }
};

}  // namespace pelton
