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

// All tiles of `product`, at most kGroupRows rows at a time. multiply_group(tile, row_count, activations, sums) assigns
// the first row_count of sums; activations [row_count, block_count].
template <typename Layout, int64_t kGroupRows, typename MultiplyGroup>
[[gnu::always_inline]] inline void multiply_in_groups(const QdotProduct& product, const MultiplyGroup& multiply_group) {
  for (int64_t tile = product.tile_begin; tile < product.tile_end; ++tile) {
    const std::byte* source = product.tiles + tile * Layout::tile_bytes(product.block_count);
    const int64_t column = tile * kQdotTileRows;
    const int64_t columns_left = product.column_count - column;
    const size_t width = static_cast<size_t>(columns_left < kQdotTileRows ? columns_left : kQdotTileRows);
    for (int64_t first = 0; first < product.row_count; first += kGroupRows) {
      const int64_t rows_left = product.row_count - first;
      const int64_t rows = rows_left < kGroupRows ? rows_left : kGroupRows;
      float sums[kGroupRows][kQdotTileRows];
      multiply_group(source, rows, product.activations + first * product.block_count, sums);
      for (int64_t row = 0; row < rows; ++row) {
        __builtin_memcpy(product.y + (first + row) * product.column_count + column, sums[row], width * sizeof(float));
      }
    }
  }
}

}  // namespace pelton
