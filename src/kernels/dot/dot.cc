#include "kernels/dot/dot.h"

namespace pelton {

const DotKernels* dot_kernels_reference();
const DotKernels* dot_kernels_avx2();
const DotKernels* dot_kernels_avx512();

const DotKernels& dot_kernels(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      break;
#if defined(__x86_64__)
    case Isa::kAvx2:
      return *dot_kernels_avx2();
    case Isa::kAvx512:
      return *dot_kernels_avx512();
#else
    default:
      break;
#endif
  }
  return *dot_kernels_reference();
}

}  // namespace pelton
