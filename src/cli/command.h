// A command of the program: `pelton NAME …`. One file a command, one line in the list in command.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pelton::cli {

struct Command {
  const char* name;
  const char* summary;  // one line of `pelton --help`
  // Adds the command's options to `app`; gives what to run once they are parsed. That returns the exit code and throws
  // pelton::Error.
  std::function<int()> (*add)(CLI::App& app);
};

// Parses, runs, reports; returns the exit code: 0 done, 1 the work failed, 2 bad usage, 130 stopped by Ctrl-C (128 +
// the signal's number).
int main(int argc, char** argv);

}  // namespace pelton::cli
