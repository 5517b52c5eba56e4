// Weights of every element type as floats: what quant/blocks.h defines, with the machine's vectors.
//
// The values are the reference's bit for bit, on every ISA: products of scales and codes are exact, so at most one
// addition rounds. (A NaN, which only a broken scale or a stored NaN gives, stays one; its payload may differ.)
// Threads: pure functions.
#pragma once

#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"
#include "quant/blocks.h"

namespace pelton {

// Contract of the function: DecodeFunction in quant/blocks.h; nothing is read past the last block. It is the reference
// where the ISA has nothing faster. CHECKs can_decode(type).
DecodeFunction decode_kernel(Isa isa, ElementType type);

void append_decode_cases(std::vector<OpCase>& cases);

// What decode_kernel chooses from; null where there is no fast path.
DecodeFunction decode_kernel_avx2(ElementType type);
DecodeFunction decode_kernel_avx512(ElementType type);
DecodeFunction decode_kernel_neon(ElementType type);

}  // namespace pelton
