#if defined(__aarch64__)
#include "kernels/halfdot/halfdot_body.h"

namespace pelton {

const HalfKernels* half_kernels_neon();

const HalfKernels* half_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
