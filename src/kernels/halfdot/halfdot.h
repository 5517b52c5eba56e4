// Products of weights in BF16 and F16 with activations: the matrix work of inference on models that are not quantised.
//
//   y[m, n] = sum over k of  w[n, k] · a[m, k]
//
// BF16 weights meet activations rounded to BF16, F16 weights (whose 11 bits BF16 would cut) float32 ones; products are
// exact or fused. Sums are float32, two an output, added at the end:
//   BF16   pairs of k take turns; within a pair the odd k is added first, then the even one, as vdpbf16ps does
//   F16    even k in one, odd k in the other
// Every ISA and every path keeps that order, so results are bitwise the same whatever the ISA, the other rows and the
// cut into tiles; except that with BF16 on AVX-512 what is below 2^-126 counts as zero (vdpbf16ps knows no subnormals).
//
// Packed weights. Sixteen rows of W [N, K] form a tile of half_tile_bytes(), tiles follow each other, the last one is
// filled up with zeros, as is an odd K.
//   BF16   [K / 2][16 rows][2]: one vector of 64 bytes holds two values of k
//   F16    [K][16 rows]
//
// Lifetime: nothing is kept. Threads: pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"
#include "tensor/element_type.h"

namespace pelton {

inline constexpr int64_t kHalfTileRows = 16;

// What to multiply. Tiles [tile_begin, tile_end) of the weight give the columns [16 tile_begin, 16 tile_end) of y, as
// far as these are below column_count.
template <typename Activation>
struct HalfProduct {
  const std::byte* tiles;  // the packed weight, aligned to 64 bytes
  int64_t input_size;      // K
  int64_t tile_begin;
  int64_t tile_end;
  const Activation* activations;  // [row_count, K]; of BF16 rows are padded to an even K with zeros
  int64_t row_count;              // M
  float* y;                       // [row_count, column_count]
  int64_t column_count;           // N
};

struct HalfKernels {
  // To BF16, to nearest even. x: finite.
  void (*round)(const float* x, int64_t count, uint16_t* rounded);

  void (*multiply_bf16)(const HalfProduct<uint16_t>& product);
  void (*multiply_f16)(const HalfProduct<float>& product);
};

// Falls back to kScalar where the build has no kernels for `isa`.
const HalfKernels& half_kernels(Isa isa);

// kBF16 and kF16 only.
bool has_half_tiles(ElementType type);
int64_t half_tile_bytes(int64_t input_size);
// Packs row_count (1 to 16) consecutive rows of input_size values of `type` into one tile. `rows` may be unaligned.
void half_pack_tile(ElementType type, const std::byte* rows, int64_t row_count, int64_t input_size, std::byte* tile);

void append_half_cases(std::vector<OpCase>& cases);

}  // namespace pelton
