#if defined(__x86_64__)
#include "kernels/norm/norm_body.h"

namespace pelton {

const NormKernels* norm_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
