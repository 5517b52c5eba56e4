// The files that clients uploaded: FOLDER/ID/ with file.json (what is known of it) and content.jsonl (its bytes). Each
// is there whole or not at all, and is found again after a restart. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/fine_tuning/entry_folder.h"

namespace pelton {

struct FileStoreLimits {
  size_t file_bytes_max = size_t{64} << 20;  // a body is held in memory until it is written
  int64_t bytes_max = int64_t{4} << 30;      // of all files together
  size_t count_max = 10'000;
};

struct StoredFile {
  std::string id;     // "file-…"
  std::string owner;  // the name of the key that brought it, which alone sees it; empty: nobody's in particular
  std::string name;   // as the client calls it
  std::string purpose;
  int64_t created_s = 0;  // since 1970
  int64_t bytes = 0;
};
// OpenAI's "file".
json::object to_json(const StoredFile& file);

class FileStore {
 public:
  // Makes the folder if it is not there; removes what was never finished. Errors: kIo; kCorruptFile (what is known of a
  // file cannot be read; named).
  explicit FileStore(std::filesystem::path folder, const FileStoreLimits& limits = {});

  // `file` without its bytes, with an id that is new. Errors: kIo; kInvalidArgument (empty, or larger than a file may
  // be), kResourceExhausted (too many files, or bytes).
  StoredFile add(StoredFile file, std::string_view contents);
  std::vector<StoredFile> list(std::string_view owner) const;  // the newest first
  // Error kNotFound: there is none of this owner. `parameter` is the request's field, if any, that named it.
  StoredFile find(std::string_view id, std::string_view owner, std::string_view parameter = {}) const;
  std::string contents(const StoredFile& file) const;  // errors: those of read_file()
  std::filesystem::path path(std::string_view id) const { return folder_.path_of(id) / "content.jsonl"; }
  // Error kIo. Nothing where there is none.
  void remove(std::string_view id);

 private:
  const EntryFolder folder_;
  const FileStoreLimits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, StoredFile, std::less<>> files_;
  int64_t bytes_ = 0;  // of all of them, and of those that are just being written
  size_t count_ = 0;   // likewise
};

}  // namespace pelton
