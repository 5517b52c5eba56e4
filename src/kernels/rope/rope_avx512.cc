#if defined(__x86_64__)
#include "kernels/rope/rope_body.h"

namespace pelton {

const RopeKernels* rope_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
