#include "plan/probe.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/clock.h"

namespace pelton {
namespace {

// A parallel region costs about a microsecond: it should last a hundred.
constexpr int64_t kRegionBytesMin = int64_t{16} << 20;
constexpr int64_t kRegionIterations = 20'000;

std::atomic<uint64_t> g_sink;  // what is computed for it cannot be left out

// Calls `region` until `wanted` seconds are over; gives calls a second.
template <typename Region>
double rate_of(double wanted, Region region) {
  const SteadyClock clock;
  const TimePoint start = clock.now();
  double elapsed = 0;
  int64_t count = 0;
  do {
    region();
    ++count;
    elapsed = seconds(clock.now() - start);
  } while (elapsed < wanted);
  return static_cast<double>(count) / elapsed;
}

}  // namespace

ReadProbe::ReadProbe(Executor& executor, int64_t bytes) : executor_(executor) {
  const int64_t grain = ProbeKernels::kReadGrainBytes;
  const int64_t share = (std::max<int64_t>(bytes, 1) + executor.thread_count() - 1) / executor.thread_count();
  bytes_per_thread_ = (share + grain - 1) / grain * grain;
  buffer_ = AlignedArray<std::byte>(static_cast<size_t>(bytes_per_thread_ * executor.thread_count()));
  // Untouched pages would all be the same one; each thread touches its own, so that they lie near it.
  executor.parallel([&](int thread, int) {
    std::memset(buffer_.data() + thread * bytes_per_thread_, 1 + thread, static_cast<size_t>(bytes_per_thread_));
  });
}

double ReadProbe::bytes_per_second(double wanted) {
  const ProbeKernels& kernels = probe_kernels(active_isa());
  const int64_t passes = std::max<int64_t>(1, kRegionBytesMin / bytes_per_thread_);
  const double regions_per_second = rate_of(wanted, [&] {
    executor_.parallel([&](int thread, int) {
      uint64_t mixed = 0;
      for (int64_t pass = 0; pass < passes; ++pass) {
        mixed += kernels.read(buffer_.data() + thread * bytes_per_thread_, bytes_per_thread_);
      }
      g_sink.fetch_xor(mixed, std::memory_order_relaxed);
    });
  });
  return regions_per_second * static_cast<double>(passes) * static_cast<double>(buffer_.size());
}

const PeakProbe* find_peak_probe(std::string_view type) {
  for (const PeakProbe& probe : probe_kernels(active_isa()).peaks) {
    if (probe.type == type) return &probe;
  }
  return nullptr;
}

double operations_per_second(Executor& executor, const PeakProbe& probe, double wanted) {
  const double regions_per_second = rate_of(wanted, [&] {
    executor.parallel([&](int, int) { g_sink.fetch_xor(probe.run(kRegionIterations), std::memory_order_relaxed); });
  });
  return regions_per_second * static_cast<double>(kRegionIterations * probe.operations_per_iteration) *
         executor.thread_count();
}

}  // namespace pelton
