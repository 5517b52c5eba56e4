#include "cli/command.h"

int main(int argc, char** argv) { return pelton::cli::main(argc, argv); }
