#include "kernels/dot/dot.h"

namespace pelton {

const DotKernels* dot_kernels_reference();
const DotKernels* dot_kernels_avx2();
const DotKernels* dot_kernels_avx512();
const DotKernels* dot_kernels_neon();

const DotKernels& dot_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return *dot_kernels_avx2();
    case Isa::kAvx512:
      return *dot_kernels_avx512();
#elif defined(__aarch64__)
    case Isa::kNeon:
      return *dot_kernels_neon();
#endif
    default:
      return *dot_kernels_reference();
  }
}

}  // namespace pelton
