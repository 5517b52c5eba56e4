#include "base/memory_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace pelton {

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total_pages = 0, resident_pages = 0;
  file >> total_pages >> resident_pages;
  return file ? resident_pages * ::sysconf(_SC_PAGESIZE) : 0;
}

int64_t resident_bytes_max() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  // Of threads the kernel gathers the counts now and then.
  return std::max(resident_bytes(), int64_t{usage.ru_maxrss} * 1024);
}

}  // namespace pelton
