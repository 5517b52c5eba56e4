#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pelton {

void check_failed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "pelton: bug: %s:%d: %s\nPlease report this with the command that led here.\n", file, line,
               expression);
  std::abort();
}

}  // namespace pelton
