// A data set's statistics as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/stats.h"

namespace pelton::data {

// A data set, or one version of it: several stand side by side.
struct StatsColumn {
  std::string title;
  DatasetStats stats;
};

// `columns` is not empty.
std::string stats_page(std::string_view title, const std::vector<StatsColumn>& columns);

}  // namespace pelton::data
