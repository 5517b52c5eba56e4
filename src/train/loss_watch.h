// Tells losses that stand out from those before them.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

namespace pelton {

class LossWatch {
 public:
  struct Spike {
    double loss;
    double mean;       // of the last losses
    double deviation;  // their standard deviation
  };

  // None: this loss is like those before it, or there are too few yet. One that stands out does not count among those
  // before the next, so that a second one is told too; but a level that stays becomes the usual one.
  std::optional<Spike> add(double loss);

 private:
  static constexpr size_t kWindow = 50;
  static constexpr size_t kLeast = 10;
  static constexpr double kDeviations = 6;  // batches differ; so far off is no batch like the others
  static constexpr int kStays = 5;          // spikes in a row that are a new level

  std::deque<double> losses_;
  int spikes_in_a_row_ = 0;
};

}  // namespace pelton
