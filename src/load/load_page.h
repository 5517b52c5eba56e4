// A run under load as one page with plots.
#pragma once

#include <span>
#include <string>

#include "load/load_summary.h"

namespace pelton {

// `target` and `workload` in words, for whoever reads the page without us.
std::string to_html(std::span<const LoadPoint> points, const LoadObjective& objective, const std::string& target,
                    const std::string& workload);

}  // namespace pelton
