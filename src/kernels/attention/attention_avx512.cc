#if defined(__x86_64__)
#include "kernels/attention/attention_int8_body.h"

namespace pelton {

const AttentionKernels* attention_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
