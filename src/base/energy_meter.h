// Energy that the processor took, where the system lets one read it: RAPL's counters (Linux's powercap interface).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace pelton {

// Counts the whole machine's processors, so other programs' work too.
class EnergyMeter {
 public:
  // Looks for counters below `root`, which is "/" but in tests.
  explicit EnergyMeter(const std::filesystem::path& root = "/");

  // There is a counter, and this process may read it.
  bool is_readable() const { return !counters_.empty(); }

  // Since the last start(). nullopt: not readable. Counters wrap: measure less than a minute at a time.
  void start();
  std::optional<double> joules();

 private:
  struct Counter {
    std::filesystem::path path;
    int64_t range_microjoules;  // it begins again at zero after this
    int64_t start_microjoules = 0;
  };

  std::vector<Counter> counters_;  // one a processor package
};

}  // namespace pelton
