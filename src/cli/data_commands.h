// The subcommands of `pelton data`: one file each, one line each in the list of data.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pelton::cli {

std::function<int()> add_data_run(CLI::App& app);
std::function<int()> add_data_steps(CLI::App& app);
std::function<int()> add_data_validate(CLI::App& app);
std::function<int()> add_data_trace(CLI::App& app);
std::function<int()> add_data_train_filter(CLI::App& app);
std::function<int()> add_data_convert(CLI::App& app);
std::function<int()> add_data_pack(CLI::App& app);
std::function<int()> add_data_pilot(CLI::App& app);
std::function<int()> add_data_stats(CLI::App& app);
std::function<int()> add_data_diff(CLI::App& app);
std::function<int()> add_data_sample(CLI::App& app);
std::function<int()> add_data_view(CLI::App& app);

}  // namespace pelton::cli
