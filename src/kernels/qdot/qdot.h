// Products of weights in 4 to 8 bits with activations in 8 bits: the matrix work of inference.
//
//   y[m, n] = sum over blocks b of  scale[n, b] · a.scale[m, b] · (dot of integers - offset · sum of a's integers)
//                                 + minimum[n, b] · a.scaled_sum[m, b]
//
// A block is 32 consecutive values of K. The integer dot is exact, and blocks are added in ascending order by one fused
// multiply-add each (scale first, then minimum), in one float accumulator an output. Every ISA and every path keeps
// that order, so results are bitwise the same whatever the ISA, the other rows and the cut into tiles.
//
// Packed weights. Sixteen rows of W [N, K] form a tile; its bytes are consecutive, tiles follow each other, the last
// one is filled up with zeros. A tile is a row of units; a unit holds two blocks (the last unit of an odd row is half
// empty):
//   integers of block 0, integers of block 1   256 bytes each in 4 bits, 512 bytes in 8 bits
//   scales of block 0 [16], of block 1 [16]    F16, or F32 where the format says so
//   minima of block 0 [16], of block 1 [16]    same type; only in formats that have them
// The integers of a block are slices of 64 bytes: byte 4r + i of slice j belongs to row r and k = 4j + i. In 4 bits the
// low nibble of slice j (j < 4) holds k = 4j + i and the high nibble k = 16 + 4j + i. A tile thus takes as many bytes
// as its rows in GGUF (where scales are F16 there) and every vector load is aligned, if the first tile is aligned
// to 64.
//
// Lifetime: nothing is kept. Threads: pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"
#include "tensor/element_type.h"

namespace pelton {

inline constexpr int64_t kQdotTileRows = 16;
inline constexpr int64_t kQdotBlockValues = 32;

// name, bits of an integer, offset that is subtracted from it, has minima, bytes of a scale, packed from
#define PELTON_QDOT_FORMATS(X)                 \
  X(kU4, 4, 8, false, 2)      /* Q4_0 */       \
  X(kU4Min, 4, 0, true, 2)    /* Q4_1 */       \
  X(kU8, 8, 128, false, 2)    /* Q8_0, Q5_0 */ \
  X(kU8Min, 8, 0, true, 2)    /* Q5_1 */       \
  X(kU4MinF32, 4, 0, true, 4) /* Q4_K */       \
  X(kU8MinF32, 8, 0, true, 4) /* Q5_K */

enum class QdotFormat : uint8_t {
#define PELTON_X(name, bits, offset, has_minimum, scale_bytes) name,
  PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
};
#define PELTON_X(name, bits, offset, has_minimum, scale_bytes) +1
inline constexpr int kQdotFormatCount = 0 PELTON_QDOT_FORMATS(PELTON_X);
#undef PELTON_X

// One block of a row of activations: x ≈ scale · values, scale = largest |x| / 127, values rounded to nearest even.
// A block whose largest |x| is below 1e-30 is all zero.
struct QdotActivation {
  int8_t values[kQdotBlockValues];
  float scale;
  float scaled_sum;  // scale · sum, rounded once
  int32_t sum;       // of values
};

// What to multiply. Tiles [tile_begin, tile_end) of the weight give the columns [16 tile_begin, 16 tile_end) of y, as
// far as these are below column_count.
struct QdotProduct {
  const std::byte* tiles;  // the packed weight, aligned to 64 bytes
  int64_t block_count;     // K / 32
  int64_t tile_begin;
  int64_t tile_end;
  const QdotActivation* activations;  // [row_count, block_count]
  int64_t row_count;                  // M
  float* y;                           // [row_count, column_count]
  int64_t column_count;               // N
};

struct QdotKernels {
  // x: finite. count: a multiple of 32.
  void (*quantise)(const float* x, int64_t count, QdotActivation* blocks);

  // Indexed by QdotFormat.
  void (*multiply[kQdotFormatCount])(const QdotProduct& product);
};

// Falls back to kScalar where the build has no kernels for `isa`.
const QdotKernels& qdot_kernels(Isa isa);

// The packed format that holds a type's values exactly; none where there is no such format.
std::optional<QdotFormat> qdot_format(ElementType type);
int64_t qdot_tile_bytes(QdotFormat format, int64_t block_count);
// Packs row_count (1 to 16) consecutive rows of block_count · 32 values of `type` into one tile. `rows` may be
// unaligned.
void qdot_pack_tile(ElementType type, const std::byte* rows, int64_t row_count, int64_t block_count, std::byte* tile);

void append_qdot_cases(std::vector<OpCase>& cases);

}  // namespace pelton
