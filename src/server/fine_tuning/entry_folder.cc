#include "server/fine_tuning/entry_folder.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace pelton {
namespace fs = std::filesystem;

EntryFolder::EntryFolder(fs::path folder, std::string noun) : folder_(std::move(folder)), noun_(std::move(noun)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("making {}: {}", folder_.string(), error.message()));
}

void EntryFolder::read_all(const std::function<void(const std::string& id)>& read) const {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) {  // AtomicFolder's or retire()'s, of a process that was killed
      remove_tree(entry.path());
      continue;
    }
    try {
      read(name);
    } catch (const Error& problem) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("{} is no {} of this program ({}); remove it",
                                                       entry.path().string(), noun_, problem.message()));
    }
  }
}

fs::path EntryFolder::retire(std::string_view id) const {
  const fs::path doomed = folder_ / fmt::format(".{}", id);
  std::error_code error;
  fs::rename(path_of(id), doomed, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("removing the {} {}: {}", noun_, id, error.message()));
  return doomed;
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("removing {}: {}", path.string(), error.message()));
}

}  // namespace pelton
