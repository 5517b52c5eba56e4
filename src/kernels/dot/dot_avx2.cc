#if defined(__x86_64__)
#include "kernels/dot/dot_body.h"

namespace pelton {

void dot_block_avx2(const DotBlock& block);
void dot_block_avx2(const DotBlock& block) { dot_block(block); }

}  // namespace pelton
#endif
