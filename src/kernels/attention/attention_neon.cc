#if defined(__aarch64__)
#include "kernels/attention/attention_int8_body.h"

namespace pelton {

const AttentionKernels* attention_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
