#if defined(__aarch64__)
#include "kernels/norm/norm_body.h"

namespace pelton {

const NormKernels* norm_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
