#if defined(__aarch64__)
#include "kernels/elementwise/elementwise_body.h"

namespace pelton {

const ElementwiseKernels* elementwise_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
