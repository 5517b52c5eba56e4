// What repeated measurements of one thing say.
#pragma once

#include <span>

namespace pelton {

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

// Of an even number of values the median is the mean of the middle two. Of none: zeros.
Spread spread_of(std::span<const double> values);

}  // namespace pelton
