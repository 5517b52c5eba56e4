// `pelton bench simulate`: what each scheduling policy would make of a load, on a machine that need not be there.
#pragma once

#include <functional>

#include "cli/command.h"

namespace pelton::cli {

std::function<int()> add_bench_simulate(CLI::App& app);

}  // namespace pelton::cli
