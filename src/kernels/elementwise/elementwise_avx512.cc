#if defined(__x86_64__)
#include "kernels/elementwise/elementwise_body.h"

namespace pelton {

const ElementwiseKernels* elementwise_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
