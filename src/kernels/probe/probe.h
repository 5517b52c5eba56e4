// Loops that reach the machine's limits: what every other kernel's speed is compared with.
//
// Threads: pure functions; each probes the core that runs it.
#pragma once

#include <cstdint>
#include <span>

#include "base/cpu.h"

namespace pelton {

// Multiply-adds of one element type, from registers to registers.
struct PeakProbe {
  const char* type;  // of the factors: "f32", "bf16", "int8"
  // A multiply-add counts as two.
  int64_t operations_per_iteration;
  // The result depends on every operation, so that none can be left out; it has no other meaning.
  uint64_t (*run)(int64_t iterations);
};

struct ProbeKernels {
  // Reads `bytes` bytes, a multiple of kReadGrainBytes, aligned to a cache line. Gives the exclusive or of all its
  // 64-bit words: the same with every ISA.
  uint64_t (*read)(const std::byte* data, int64_t bytes);
  // One for each type that the ISA multiplies fast; "f32" always.
  std::span<const PeakProbe> peaks;

  static constexpr int64_t kReadGrainBytes = 1024;
};

const ProbeKernels& probe_kernels(Isa isa);

// What probe_kernels chooses from.
const ProbeKernels* probe_kernels_reference();
const ProbeKernels* probe_kernels_avx2();
const ProbeKernels* probe_kernels_avx512();
const ProbeKernels* probe_kernels_neon();

}  // namespace pelton
