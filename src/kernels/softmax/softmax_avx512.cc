#if defined(__x86_64__)
#include "kernels/softmax/softmax_body.h"

namespace pelton {

const SoftmaxKernels* softmax_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
