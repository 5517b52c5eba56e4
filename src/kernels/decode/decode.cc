#include "kernels/decode/decode.h"

namespace pelton {

DecodeFunction decode_kernel([[maybe_unused]] Isa isa, ElementType type) {
  DecodeFunction fast = nullptr;
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) fast = decode_kernel_avx512(type);
  if (isa == Isa::kAvx2) fast = decode_kernel_avx2(type);
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) fast = decode_kernel_neon(type);
#endif
  return fast != nullptr ? fast : decode_function(type);
}

}  // namespace pelton
