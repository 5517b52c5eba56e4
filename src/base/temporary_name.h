// Files and folders that are made beside their target under a temporary name, ".NAME.XXXXXX", and get its name at the
// end. Who makes one holds a lock on it (flock), which ends with the process: so what a killed process has left is told
// apart from what another one is making, and goes when the same target is made again.
#pragma once

#include <filesystem>
#include <string>

namespace pelton {

// The folder in which `target` lies: "." for a bare name.
std::filesystem::path folder_around(const std::filesystem::path& target);
// Makes what was renamed there survive a power cut. False: the system refused, and says why in errno.
bool sync_folder_around(const std::filesystem::path& target);
// For mkstemp and mkdtemp.
std::string temporary_name_template(const std::filesystem::path& target);
// Until `descriptor`, of the open file or folder, is closed. On a file system without locks nothing is ever taken for a
// leftover.
void hold_temporary(int descriptor);
// Removes files and folders with temporary names of `target` that nobody holds: it goes through all the folder has, so
// it is for what is large and seldom made. Never throws.
void remove_leftovers(const std::filesystem::path& target);

}  // namespace pelton
