#if defined(__x86_64__)
#include "kernels/halfdot/halfdot_body.h"

namespace pelton {

const HalfKernels* half_kernels_avx2();

const HalfKernels* half_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
