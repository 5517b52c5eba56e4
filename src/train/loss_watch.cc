#include "train/loss_watch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pelton {

std::optional<LossWatch::Spike> LossWatch::add(double loss) {
  std::optional<Spike> spike;
  if (losses_.size() >= kLeast) {
    const auto count = static_cast<double>(losses_.size());
    const double mean = std::accumulate(losses_.begin(), losses_.end(), 0.0) / count;
    const double squares = std::accumulate(losses_.begin(), losses_.end(), 0.0, [&](double sum, double value) {
      return sum + (value - mean) * (value - mean);
    });
    // Losses that hardly differ: a hundredth of them is no spike yet.
    const double deviation = std::max(std::sqrt(squares / count), 0.01 * std::abs(mean));
    if (loss > mean + kDeviations * deviation) spike = Spike{loss, mean, deviation};
  }
  spikes_in_a_row_ = spike ? spikes_in_a_row_ + 1 : 0;
  if (spikes_in_a_row_ >= kStays) {
    losses_.clear();
    spikes_in_a_row_ = 0;
  }
  if (!spike) {
    losses_.push_back(loss);
    if (losses_.size() > kWindow) losses_.pop_front();
  }
  return spike;
}

}  // namespace pelton
