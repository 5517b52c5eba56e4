#if defined(__aarch64__)
#include "kernels/softmax/softmax_body.h"

namespace pelton {

const SoftmaxKernels* softmax_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
