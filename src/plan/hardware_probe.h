// Measures a Hardware: some seconds of reading and multiplying with all cores.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "plan/hardware.h"

namespace pelton {

struct HardwareProbeOptions {
  double burst_seconds = 0.02;
  int burst_count = 7;  // the fastest counts: other work on the machine only ever slows
  int64_t bytes_per_thread_max = int64_t{256} << 20;
  // Called before each measurement with what comes now; what it throws ends the measuring.
  std::function<void(std::string_view)> on_progress = [](std::string_view) {};
};

Hardware measure_hardware(const HardwareProbeOptions& options = {});

}  // namespace pelton
