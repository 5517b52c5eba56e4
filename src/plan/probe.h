// How fast this machine reads and multiplies right now.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/aligned.h"
#include "kernels/probe/probe.h"
#include "ops/executor.h"

namespace pelton {

// Streams a buffer, each thread its own part, again and again. One thread at a time.
class ReadProbe {
 public:
  // `bytes` in all, rounded up to whole reads for each thread. `executor` must outlive the probe.
  ReadProbe(Executor& executor, int64_t bytes);

  // The average over about so many seconds, at least one pass.
  double bytes_per_second(double seconds);

 private:
  Executor& executor_;
  int64_t bytes_per_thread_;
  AlignedArray<std::byte> buffer_;
};

// The active ISA's loop for a type: "f32", "bf16" or "int8"; null: it has none.
const PeakProbe* find_peak_probe(std::string_view type);

// All threads, the average over about so many seconds.
double operations_per_second(Executor& executor, const PeakProbe& probe, double seconds);

}  // namespace pelton
