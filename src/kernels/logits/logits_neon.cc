#if defined(__aarch64__)
#include "kernels/logits/logits_body.h"

namespace pelton {

const LogitsKernels* logits_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
