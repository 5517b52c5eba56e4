// A command of the program: `pelton NAME …`. One file a command, one line in the list in command.cc.
#pragma once

#include <CLI/CLI.hpp>

namespace pelton::cli {

// Adds the command to `app`; its callback does the work and throws pelton::Error.
struct Command {
  const char* name;
  void (*add)(CLI::App& app);
};

// Parses, runs, reports; returns the exit code (0 done, 1 the work failed, 2 bad usage).
int main(int argc, char** argv);

}  // namespace pelton::cli
