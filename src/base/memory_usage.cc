#include "base/memory_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace pelton {

ResidentBytes resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total_pages = 0, resident_pages = 0, file_pages = 0;
  file >> total_pages >> resident_pages >> file_pages;
  if (!file) return {};
  const int64_t page_bytes = ::sysconf(_SC_PAGESIZE);
  return {.anonymous = (resident_pages - file_pages) * page_bytes, .of_files = file_pages * page_bytes};
}

int64_t resident_bytes_max() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  // Of threads the kernel gathers the counts now and then.
  return std::max(resident_bytes().all(), int64_t{usage.ru_maxrss} * 1024);
}

}  // namespace pelton
