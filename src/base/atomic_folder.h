// A folder of files that appears whole or not at all.
#pragma once

#include <filesystem>

namespace pelton {

// Fill path() with files; commit() gives the folder its name. Without commit() the destructor removes all of it. Not
// thread-safe.
class AtomicFolder {
 public:
  // Makes an empty folder beside `target`, and removes what a killed process has left of one. Error kIo: the folder
  // around it is missing or cannot be written.
  explicit AtomicFolder(std::filesystem::path target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  // Where `target` is there, a folder too, the two change places and the old one is removed: at every moment one of
  // them has the name. The files themselves are synced by who writes them (AtomicFileWriter). Error kIo. Call once,
  // last.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;  // of temporary_, held (base/temporary_name.h)
};

}  // namespace pelton
