// A data set's statistics as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/run_samples.h"
#include "data/stats.h"

namespace pelton::data {

// A data set, or one version of it: several stand side by side.
struct StatsColumn {
  std::string title;
  DatasetStats stats;
  std::optional<RunSamples> run;  // where it is a run's output
};

// `columns` is not empty.
std::string stats_page(std::string_view title, const std::vector<StatsColumn>& columns);

}  // namespace pelton::data
