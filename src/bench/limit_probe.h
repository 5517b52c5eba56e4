// What the machine gives at this moment: bandwidth wanders by factors within minutes, so a limit counts only for the
// work right beside it.
#pragma once

#include <cstdint>
#include <string_view>

#include "ops/executor.h"
#include "plan/probe.h"
#include "plan/roofline.h"

namespace pelton {

class LimitProbe {
 public:
  struct Options {
    int64_t bytes = 0;              // what a step reads: the probe streams as much
    std::string_view type = "f32";  // of the multiplications; where the ISA has no fast loop for it, F32 counts
    double seconds = 0.05;          // of streaming; multiplying takes a fifth of that
  };
  // `executor` must outlive the probe.
  LimitProbe(Executor& executor, const Options& options);

  Limits measure();

 private:
  Executor& executor_;
  ReadProbe reading_;
  const PeakProbe& multiplying_;
  double seconds_;
};

inline Limits middle(const Limits& a, const Limits& b) {
  return {(a.bytes_per_second + b.bytes_per_second) / 2, (a.operations_per_second + b.operations_per_second) / 2};
}

}  // namespace pelton
