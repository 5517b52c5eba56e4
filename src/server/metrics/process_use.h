// What this process takes of the machine, as Prometheus's clients report it.
#pragma once

namespace pelton {

struct ProcessUse {
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double cpu_seconds = 0;  // of all threads, in user and system
  double open_files = 0;
  double open_files_max = 0;
};

// What the system does not tell is 0.
ProcessUse process_use();

}  // namespace pelton
