// A folder of folders, one an entry, named by its id. Entries come by AtomicFolder and go at once, so that after a kill
// each is there whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace pelton {

class EntryFolder {
 public:
  // Makes the folder if it is not there. `noun` is what messages call an entry: "job". Error kIo.
  EntryFolder(std::filesystem::path folder, std::string noun);

  std::filesystem::path path_of(std::string_view id) const { return folder_ / id; }
  // Removes what was never finished, then calls `read` for each entry. Errors: kIo; kCorruptFile, with the entry's path
  // and the reason: what `read` threw.
  void read_all(const std::function<void(const std::string& id)>& read) const;
  // Takes an entry out of the way at once, so that a kill leaves no half of it. Gives where it lies now, for
  // remove_tree(). Error kIo.
  std::filesystem::path retire(std::string_view id) const;

 private:
  std::filesystem::path folder_;
  std::string noun_;
};

// With all that is in it; nothing where it is not there. Error kIo.
void remove_tree(const std::filesystem::path& path);

}  // namespace pelton
