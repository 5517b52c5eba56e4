#if defined(__aarch64__)
#include "kernels/decode/decode_body.h"

namespace pelton {

DecodeFunction decode_kernel_neon(ElementType type) { return find_decoder(type); }

}  // namespace pelton
#endif
