// `pelton inspect schema`: what of a JSON schema an answer is held to.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace pelton::cli {

// As a subcommand of `app`. What it gives is true, and its exit code set, where the command line asks for it.
std::function<bool(int& exit_code)> add_inspect_schema(CLI::App& app);

}  // namespace pelton::cli
