#if defined(__x86_64__)
#include "kernels/logits/logits_body.h"

namespace pelton {

const LogitsKernels* logits_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
