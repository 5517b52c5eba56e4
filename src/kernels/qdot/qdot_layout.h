// Where things lie in a packed tile (described in qdot.h), as constants that each ISA's templates are instantiated
// with. Only for the sources of this family. Everything here is inlined always: an ISA object must not export it.
#pragma once

#include "kernels/qdot/qdot.h"

namespace pelton {

template <int kBitsOf, int kOffsetOf, bool kHasMinimumOf, QdotScales kScalesOf>
struct QdotLayout {
  static constexpr int kBits = kBitsOf;
  static constexpr int kOffset = kOffsetOf;
  static constexpr bool kHasMinimum = kHasMinimumOf;
  static constexpr bool kIsSuper = kScalesOf != QdotScales::kF16;
  static constexpr int kScaleCount = kScalesOf == QdotScales::kSuperTwo ? 2 : 1;  // of a block
  static_assert(kScaleCount == 1 || !kHasMinimum);
  static constexpr int64_t kUnitBlocks = kIsSuper ? 8 : 2;
  static constexpr int64_t kIntegerBytes = kQdotTileRows * kQdotBlockValues * kBits / 8;  // of a block
  static constexpr int64_t kHighBitsAt = kQdotTileRows * kQdotBlockValues / 2;            // within these
  static constexpr int64_t kScalesBytes = kQdotTileRows * (kIsSuper ? kScaleCount : 2);   // of a block
  static constexpr int64_t kMinimaBytes = kHasMinimum ? kScalesBytes : 0;                 // of a block
  static constexpr int64_t kSuperBytes = kIsSuper ? 2 * 2 * kQdotTileRows : 0;            // of a unit
  static constexpr int64_t kUnitBytes = kUnitBlocks * (kIntegerBytes + kScalesBytes + kMinimaBytes) + kSuperBytes;
  static_assert(kUnitBytes % 64 == 0);

  [[gnu::always_inline]] static int64_t tile_bytes(int64_t block_count) {
    return (block_count + kUnitBlocks - 1) / kUnitBlocks * kUnitBytes;
  }
  [[gnu::always_inline]] static int64_t integers_at(int64_t block) {
    return block / kUnitBlocks * kUnitBytes + block % kUnitBlocks * kIntegerBytes;
  }
  [[gnu::always_inline]] static int64_t scales_at(int64_t block) {
    return block / kUnitBlocks * kUnitBytes + kUnitBlocks * kIntegerBytes + block % kUnitBlocks * kScalesBytes;
  }
  [[gnu::always_inline]] static int64_t minima_at(int64_t block) {
    return scales_at(block) + kUnitBlocks * kScalesBytes;
  }
  // Of the super-block that `block` belongs to.
  [[gnu::always_inline]] static int64_t super_scales_at(int64_t block) {
    return (block / kUnitBlocks + 1) * kUnitBytes - kSuperBytes;
  }
  [[gnu::always_inline]] static int64_t super_minima_at(int64_t block) {
    return super_scales_at(block) + 2 * kQdotTileRows;
  }
};

}  // namespace pelton
