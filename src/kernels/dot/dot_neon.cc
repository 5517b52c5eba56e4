#if defined(__aarch64__)
#include "kernels/dot/dot_body.h"

namespace pelton {

void dot_block_neon(const DotBlock& block);
void dot_block_neon(const DotBlock& block) { dot_block(block); }

}  // namespace pelton
#endif
