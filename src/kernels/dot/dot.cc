#include "kernels/dot/dot.h"

namespace pelton {

void dot_block_reference(const DotBlock& block);
void dot_block_avx2(const DotBlock& block);
void dot_block_avx512(const DotBlock& block);
void dot_block_neon(const DotBlock& block);

DotFunction dot_kernel(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return dot_block_avx2;
    case Isa::kAvx512:
      return dot_block_avx512;
#elif defined(__aarch64__)
    case Isa::kNeon:
      return dot_block_neon;
#endif
    default:
      return dot_block_reference;
  }
}

}  // namespace pelton
