// Products of weights in 4 to 8 bits with activations in 8 bits: the matrix work of inference.
//
//   y[m, n] = sum over blocks b of  scale[n, b] · a.scale[m, b] · (dot of integers - offset · sum of a's integers)
//                                 + minimum[n, b] · a.scaled_sum[m, b]
//
// A block is 32 consecutive values of K. The integer dot is exact, and blocks are added in ascending order by one fused
// multiply-add each (scale first, then minimum), in one float accumulator an output. Every ISA and every path keeps
// that order, so results are bitwise the same whatever the ISA, the other rows and the cut into tiles.
//
// Where a block has two scales, one for values 0 to 15 and one for 16 to 31, it has two dots, each with the offset
// taken from it, and adds a.scale[m, b] · fma(scale 0, dot 0, scale 1 · dot 1).
//
// Packed weights. Sixteen rows of W [N, K] form a tile; its bytes are consecutive, tiles follow each other, the last
// one is filled up with zeros. A tile is a row of units. A unit holds two blocks (the last unit of an odd row is half
// empty), or the eight blocks of a super-block:
//   integers of block 0, of block 1, …         64 bytes a block and bit
//   scales of block 0 [16], of block 1 [16], …
//   minima of block 0 [16], of block 1 [16], … same type; only in formats that have them
//   of a super-block: F16 scales [16], F16 minima [16] (zeros in formats without)
// Scales are F16, or where there are super-blocks int8, to be multiplied with the super-block's F16 (exact in F32);
// minima likewise. Two scales a block: [2][16].
// The integers of a block are slices of 64 bytes: byte 4r + i of slice j belongs to row r and k = 4j + i. In 8 bits
// there are 8 slices. In fewer there are 4, of nibbles: the low nibble of slice j holds k = 4j + i, the high one
// k = 16 + 4j + i. Behind them come the higher bits, byte 4r + i for row r again: in 5 bits one vector of 64 bytes
// whose bit j is bit 4 of k = 4j + i; in 6 bits two, whose bit pair j holds bits 4 and 5 of k = 4j + i and k = 16 + 4j
// + i. A tile thus takes as many bytes as its rows in GGUF (up to 3 % more where there are super-blocks: GGUF packs
// their scales in 6 bits) and every vector load of integers is aligned, if the first tile is aligned to 64.
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

enum class QdotScales : uint8_t {
  kF16,       // one a block
  kSuper,     // an int8 a block and an F16 a super-block of 256 values
  kSuperTwo,  // two int8 a block and an F16 a super-block
};

// name, bits of an integer, offset that is subtracted from it, has minima, scales, packed from
#define PELTON_QDOT_FORMATS(X)                                \
  X(kU4, 4, 8, false, QdotScales::kF16)            /* Q4_0 */ \
  X(kU4Min, 4, 0, true, QdotScales::kF16)          /* Q4_1 */ \
  X(kU5, 5, 16, false, QdotScales::kF16)           /* Q5_0 */ \
  X(kU5Min, 5, 0, true, QdotScales::kF16)          /* Q5_1 */ \
  X(kU8, 8, 128, false, QdotScales::kF16)          /* Q8_0 */ \
  X(kU4Super, 4, 0, true, QdotScales::kSuper)      /* Q4_K */ \
  X(kU5Super, 5, 0, true, QdotScales::kSuper)      /* Q5_K */ \
  X(kU6Super, 6, 32, false, QdotScales::kSuperTwo) /* Q6_K */

enum class QdotFormat : uint8_t {
#define PELTON_X(name, bits, offset, has_minimum, scales) name,
  PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
};
#define PELTON_X(name, bits, offset, has_minimum, scales) +1
inline constexpr int kQdotFormatCount = 0 PELTON_QDOT_FORMATS(PELTON_X);
#undef PELTON_X

// One block of a row of activations: x ≈ scale · values, scale = largest |x| / 127, values rounded to nearest even.
// A block whose largest |x| is below 1e-30 is all zero.
struct QdotActivation {
  int8_t values[kQdotBlockValues];
  float scale;
  float scaled_sum;  // scale · sum, rounded once
  int32_t sum;       // of values
  int32_t half_sum;  // of values 0 to 15
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
