#if defined(__aarch64__)
#include "kernels/rope/rope_body.h"

namespace pelton {

const RopeKernels* rope_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
