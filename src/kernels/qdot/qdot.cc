#include "kernels/qdot/qdot.h"

#include "base/check.h"
#include "kernels/qdot/qdot_layout.h"

namespace pelton {

const QdotKernels* qdot_kernels_reference();
const QdotKernels* qdot_kernels_avx2();
const QdotKernels* qdot_kernels_avx512();
const QdotKernels* qdot_kernels_neon();

const QdotKernels& qdot_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return *qdot_kernels_avx2();
    case Isa::kAvx512:
      return *qdot_kernels_avx512();
#elif defined(__aarch64__)
    case Isa::kNeon:
      return *qdot_kernels_neon();
#endif
    default:
      return *qdot_kernels_reference();
  }
}

int64_t qdot_tile_bytes(QdotFormat format, int64_t block_count) {
  switch (format) {
#define PELTON_X(name, bits, offset, has_minimum, scales) \
  case QdotFormat::name:                                  \
    return QdotLayout<bits, offset, has_minimum, scales>::tile_bytes(block_count);
    PELTON_QDOT_FORMATS(PELTON_X)
#undef PELTON_X
  }
  PELTON_UNREACHABLE();
}

}  // namespace pelton
