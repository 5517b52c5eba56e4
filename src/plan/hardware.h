// What this machine can do at most, as measured: how fast it reads by working set, and multiplies by type. Measured
// once and kept in the cache folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

// Which machine was measured, and with which instructions.
struct HardwareIdentity {
  std::string cpu;  // the model's name
  std::string isa;
  int core_count = 0;

  bool operator==(const HardwareIdentity&) const = default;
};
HardwareIdentity this_hardware();

// Reading by all threads together, each its own part.
struct BandwidthPoint {
  int thread_count;
  int64_t bytes_per_thread;
  double gb_per_second;
};

// A step of the memory hierarchy, read by all cores.
struct MemoryLevel {
  std::string name;    // "L1", "L2", "L3", "DRAM"
  int64_t size_bytes;  // of one instance; DRAM: 0
  double gb_per_second;
};

struct PeakRate {
  std::string type;  // of the factors: "f32", "bf16", "int8"
  int thread_count;
  double gop_per_second;  // a multiply-add counts as two
};

struct Hardware {
  HardwareIdentity identity;
  std::vector<BandwidthPoint> bandwidth;  // by threads, then by working set
  std::vector<MemoryLevel> levels;        // from the nearest
  std::vector<PeakRate> peaks;            // by type, then by threads

  // With all cores; 0: not measured.
  double gop_per_second(std::string_view type) const;
  double gb_per_second(std::string_view level) const;
};

json::object to_json(const Hardware& hardware);
// Error kInvalidArgument: not what to_json() gives.
Hardware hardware_from_json(const json::value& value);

// One file for each machine, so that a shared cache folder serves several.
std::filesystem::path hardware_path(const std::filesystem::path& cache, const HardwareIdentity& identity);
// nullopt: not measured yet, or by another version, or the file is broken: measure (again).
std::optional<Hardware> load_hardware(const std::filesystem::path& cache, const HardwareIdentity& identity);
// Replaces the file as a whole and creates the folder. Error kIo.
void store_hardware(const std::filesystem::path& cache, const Hardware& hardware);

}  // namespace pelton
