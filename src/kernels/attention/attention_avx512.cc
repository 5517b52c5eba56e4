#if defined(__x86_64__)
#include "kernels/attention/attention_body.h"
#include "kernels/attention/attention_int8_body.h"

namespace pelton {
namespace {
constexpr AttentionKernels kKernels = {.attend_f32 = attend<float>,
                                       .attend_bf16 = attend<uint16_t>,
                                       .attend_int8 = attend_int8,
                                       .quantise_row = quantise_row,
                                       .gradient_block = gradient_block,
                                       .add_weighted_rows = add_weighted_rows};
}  // namespace

const AttentionKernels* attention_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
