// Options of a command out of a YAML file: the same names as the flags, which win.
//
//   model: model.gguf
//   port: 8080
//   open-path: [/health, /metrics]
//   allow-special-in-messages: true
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace pelton::cli {

// Adds `--config FILE` to a command whose options may stand in a file.
void add_config_option(CLI::App& app);

// `args` (as given to the command, without its name) and, behind them, the options of `yaml` that they do not have.
// Errors kUsage with file and line: an unknown option, a value of a form that no flag has. What the values mean is
// checked as that of flags is.
std::vector<std::string> with_config(const CLI::App& app, std::vector<std::string> args, std::string_view yaml,
                                     const std::string& file_name);

// The same with the file that `--config` in `args` names, where there is one. Errors: also those of read_file.
std::vector<std::string> with_config_file(const CLI::App& app, std::vector<std::string> args);

}  // namespace pelton::cli
