#include "plan/hardware_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/cpu.h"
#include "plan/cpu_description.h"
#include "plan/probe.h"

namespace pelton {
namespace {

constexpr double kGiga = 1e9;
constexpr int64_t kSmallestWorkingSetBytes = 4096;

// 1, 2, 4, …, all
std::vector<int> thread_counts(int core_count) {
  std::vector<int> counts;
  for (int count = 1; count < core_count; count *= 2) counts.push_back(count);
  counts.push_back(core_count);
  return counts;
}

template <typename Measure>
double fastest(const HardwareProbeOptions& options, Measure measure) {
  double best = 0;
  for (int burst = 0; burst < options.burst_count; ++burst) best = std::max(best, measure());
  return best;
}

double read_gb_per_second(Executor& executor, int64_t bytes_per_thread, const HardwareProbeOptions& options) {
  ReadProbe probe(executor, bytes_per_thread * executor.thread_count());
  return fastest(options, [&] { return probe.bytes_per_second(options.burst_seconds); }) / kGiga;
}

// What of a cache a thread has for itself when all cores are busy.
int64_t share_bytes(const CacheLevel& cache, int core_count) {
  return cache.size_bytes / std::clamp(cache.core_count, 1, core_count);
}

// Far larger than all caches, so that hardly anything is found in one.
int64_t memory_bytes(const std::vector<CacheLevel>& caches, int core_count, const HardwareProbeOptions& options) {
  constexpr int64_t kTimesLastCache = 8;
  constexpr int64_t kUsual = int64_t{64} << 20;
  const int64_t wanted = caches.empty() ? kUsual : kTimesLastCache * share_bytes(caches.back(), core_count);
  return std::clamp(wanted, kSmallestWorkingSetBytes, options.bytes_per_thread_max);
}

std::vector<MemoryLevel> measure_levels(Executor& executor, const HardwareProbeOptions& options) {
  const std::vector<CacheLevel> caches = describe_cpu().caches;
  std::vector<MemoryLevel> levels;
  for (const CacheLevel& cache : caches) {
    const std::string name = fmt::format("L{}", cache.level);
    options.on_progress(fmt::format("reading from {}", name));
    // Half of it: the other half is for whatever else lies there.
    const int64_t bytes = std::min(share_bytes(cache, executor.thread_count()) / 2, options.bytes_per_thread_max);
    levels.push_back({name, cache.size_bytes, read_gb_per_second(executor, bytes, options)});
  }
  options.on_progress("reading from memory");
  const int64_t bytes = memory_bytes(caches, executor.thread_count(), options);
  levels.push_back({"DRAM", 0, read_gb_per_second(executor, bytes, options)});
  return levels;
}

// Numbers of threads take turns, so that a moment in which another program had a core counts for all alike: what the
// threads bring is the ratio.
std::vector<PeakRate> measure_peaks(int core_count, const HardwareProbeOptions& options) {
  std::vector<std::unique_ptr<Executor>> executors;
  for (const int thread_count : thread_counts(core_count))
    executors.push_back(std::make_unique<Executor>(thread_count));
  std::vector<PeakRate> peaks;
  for (const PeakProbe& probe : probe_kernels(active_isa()).peaks) {
    const size_t first = peaks.size();
    for (const auto& executor : executors) peaks.push_back({probe.type, executor->thread_count(), 0});
    for (int burst = 0; burst < options.burst_count; ++burst) {
      options.on_progress(fmt::format("multiplying {}", probe.type));
      for (size_t i = 0; i < executors.size(); ++i) {
        double& best = peaks[first + i].gop_per_second;
        best = std::max(best, operations_per_second(*executors[i], probe, options.burst_seconds) / kGiga);
      }
    }
  }
  return peaks;
}

}  // namespace

Hardware measure_hardware(const HardwareProbeOptions& options) {
  Hardware hardware{.identity = this_hardware(), .bandwidth = {}, .levels = {}, .peaks = {}};
  const int core_count = hardware.identity.core_count;
  const int64_t largest = memory_bytes(describe_cpu().caches, core_count, options);
  for (const int thread_count : thread_counts(core_count)) {
    Executor executor(thread_count);
    for (int64_t bytes = kSmallestWorkingSetBytes;; bytes = std::min(2 * bytes, largest)) {
      options.on_progress(fmt::format("reading {} KiB with {} threads", bytes >> 10, thread_count));
      hardware.bandwidth.push_back({thread_count, bytes, read_gb_per_second(executor, bytes, options)});
      if (bytes >= largest) break;
    }
  }
  hardware.peaks = measure_peaks(core_count, options);
  Executor executor(core_count);
  hardware.levels = measure_levels(executor, options);
  return hardware;
}

}  // namespace pelton
