// Which instruction sets this machine has, and which one kernels are to use.
#pragma once

#include <string_view>
#include <vector>

namespace pelton {

// Ordered from the slowest to the fastest that one machine may have. kAvx512 means F, BW, VL, DQ, VNNI and BF16
// together, kNeon (64-bit ARM) with dot products.
enum class Isa { kScalar, kAvx2, kAvx512, kNeon };

std::string_view isa_name(Isa isa);

// What the processor and the operating system support; always starts with kScalar.
std::vector<Isa> supported_isas();

// The best supported one, or what PELTON_ISA (scalar, avx2, avx512, neon) asks for. Read once, at the first call.
// Error kUsage: PELTON_ISA names an unknown or unsupported instruction set.
Isa active_isa();

// Cores that this process may run on (its affinity mask), at least 1.
int usable_core_count();

}  // namespace pelton
