// What the system says of its processor: name, cores, caches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pelton {

struct CacheLevel {
  int level;           // 1, 2, 3
  int64_t size_bytes;  // of one instance
  int core_count;      // cores that share an instance
};

struct CpuDescription {
  std::string model;               // "unknown" where the system does not say
  std::vector<CacheLevel> caches;  // data caches, ascending; empty where the system does not say
};

// Reads /proc/cpuinfo and /sys under `root`, which is "/" but in tests.
CpuDescription describe_cpu(const std::filesystem::path& root = "/");

}  // namespace pelton
