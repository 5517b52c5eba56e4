#include "kernels/halfdot/halfdot.h"

#include <cstring>

#include "base/check.h"

namespace pelton {

const HalfKernels* half_kernels_reference();
const HalfKernels* half_kernels_avx2();
const HalfKernels* half_kernels_avx512();
const HalfKernels* half_kernels_neon();

const HalfKernels& half_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return *half_kernels_avx2();
    case Isa::kAvx512:
      return *half_kernels_avx512();
#elif defined(__aarch64__)
    case Isa::kNeon:
      return *half_kernels_neon();
#endif
    default:
      return *half_kernels_reference();
  }
}

bool has_half_tiles(ElementType type) { return type == ElementType::kBF16 || type == ElementType::kF16; }

int64_t half_tile_bytes(int64_t input_size) { return (input_size + 1) / 2 * 2 * kHalfTileRows * 2; }

void half_pack_tile(ElementType type, const std::byte* rows, int64_t row_count, int64_t input_size, std::byte* tile) {
  CHECK(has_half_tiles(type) && row_count >= 1 && row_count <= kHalfTileRows);
  if (row_count < kHalfTileRows || input_size % 2 != 0) {
    std::memset(tile, 0, static_cast<size_t>(half_tile_bytes(input_size)));
  }
  const bool is_in_pairs = type == ElementType::kBF16;
  for (int64_t k = 0; k < input_size; ++k) {
    for (int64_t row = 0; row < row_count; ++row) {
      const int64_t at = is_in_pairs ? k / 2 * 2 * kHalfTileRows + 2 * row + k % 2 : k * kHalfTileRows + row;
      std::memcpy(tile + 2 * at, rows + 2 * (row * input_size + k), 2);
    }
  }
}

}  // namespace pelton
