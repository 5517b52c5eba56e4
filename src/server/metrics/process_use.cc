#include "server/metrics/process_use.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

namespace pelton {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessUse process_use() {
  ProcessUse use;
  double pages = 0;
  double resident_pages = 0;
  if (std::ifstream file("/proc/self/statm"); file >> pages >> resident_pages) {
    const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
    use.virtual_bytes = pages * page_bytes;
    use.resident_bytes = resident_pages * page_bytes;
  }
  rusage resources{};
  if (getrusage(RUSAGE_SELF, &resources) == 0) {
    use.cpu_seconds = seconds_of(resources.ru_utime) + seconds_of(resources.ru_stime);
  }
  std::error_code error;
  for (std::filesystem::directory_iterator files("/proc/self/fd", error), end; !error && files != end;
       files.increment(error)) {
    ++use.open_files;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) use.open_files_max = static_cast<double>(limit.rlim_cur);
  return use;
}

}  // namespace pelton
