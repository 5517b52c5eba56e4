#if defined(__x86_64__)
#include "kernels/decode/decode_body.h"

namespace pelton {

DecodeFunction decode_kernel_avx512(ElementType type) { return find_decoder(type); }

}  // namespace pelton
#endif
