#include "base/energy_meter.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace pelton {
namespace fs = std::filesystem;
namespace {

std::optional<int64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (!(file >> number) || number < 0) return std::nullopt;
  return number;
}

// "intel-rapl:0" is a package (AMD's too); "intel-rapl:0:1" a part of one, counted in it.
bool is_package(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

EnergyMeter::EnergyMeter(const fs::path& root) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "sys/class/powercap", error)) {
    if (!is_package(entry.path().filename().string())) continue;
    const fs::path path = entry.path() / "energy_uj";
    const std::optional<int64_t> range = read_number(entry.path() / "max_energy_range_uj");
    if (range && read_number(path)) counters_.push_back({path, *range});
  }
}

void EnergyMeter::start() {
  for (Counter& counter : counters_) counter.start_microjoules = read_number(counter.path).value_or(0);
}

std::optional<double> EnergyMeter::joules() {
  if (counters_.empty()) return std::nullopt;
  int64_t microjoules = 0;
  for (const Counter& counter : counters_) {
    const std::optional<int64_t> now = read_number(counter.path);
    if (!now) return std::nullopt;
    const int64_t difference = *now - counter.start_microjoules;
    microjoules += difference >= 0 ? difference : difference + counter.range_microjoules;
  }
  return static_cast<double>(microjoules) * 1e-6;
}

}  // namespace pelton
