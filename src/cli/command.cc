#include "cli/command.h"

namespace pelton::cli {

int main(int, char**) { return 0; }

}  // namespace pelton::cli
