#include "server/fine_tuning/file_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/atomic_folder.h"
#include "base/byte_size.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoteBytesMax = 65536;
constexpr int64_t kNumberMax = int64_t{1} << 53;

StoredFile read_note(const fs::path& path) {
  const json::value parsed = parse_json(read_file(path, kNoteBytesMax), path.string());
  const JsonReader reader = JsonReader::of(parsed, path.string());
  return {.id = reader.string("id").value_or(""),
          .owner = reader.string("owner").value_or(""),
          .name = reader.string("filename").value_or(""),
          .purpose = reader.string("purpose").value_or(""),
          .created_s = reader.integer("created_at", 0, kNumberMax).value_or(0),
          .bytes = reader.integer("bytes", 0, kNumberMax).value_or(0)};
}

std::string note_of(const StoredFile& file) {
  json::object note = {{"id", file.id},           {"owner", file.owner},          {"filename", file.name},
                       {"purpose", file.purpose}, {"created_at", file.created_s}, {"bytes", file.bytes}};
  return to_json_text(note) + "\n";
}

}  // namespace

json::object to_json(const StoredFile& file) {
  return {{"id", file.id},         {"object", "file"},        {"bytes", file.bytes},   {"created_at", file.created_s},
          {"filename", file.name}, {"purpose", file.purpose}, {"status", "processed"}, {"status_details", nullptr},
          {"expires_at", nullptr}};
}

FileStore::FileStore(fs::path folder, const FileStoreLimits& limits)
    : folder_(std::move(folder), "uploaded file"), limits_(limits) {
  folder_.read_all([this](const std::string& id) {
    StoredFile file = read_note(folder_.path_of(id) / "file.json");
    if (file.id != id) throw Error(ErrorCode::kCorruptFile, "it is of another file");
    bytes_ += file.bytes;
    files_.emplace(id, std::move(file));
  });
  count_ = files_.size();
}

StoredFile FileStore::add(StoredFile file, std::string_view contents) {
  if (contents.empty()) throw Error(ErrorCode::kInvalidArgument, "file: it is empty", "file");
  if (contents.size() > limits_.file_bytes_max) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("file: it has {}; at most {} are taken", format_byte_size(static_cast<int64_t>(contents.size())),
                    format_byte_size(static_cast<int64_t>(limits_.file_bytes_max))),
        "file");
  }
  file.bytes = static_cast<int64_t>(contents.size());
  {
    const std::lock_guard lock(mutex_);
    if (count_ >= limits_.count_max || bytes_ + file.bytes > limits_.bytes_max) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("there are {} files with {}; at most {} with {} are kept; delete some", count_,
                              format_byte_size(bytes_), limits_.count_max, format_byte_size(limits_.bytes_max)));
    }
    ++count_;
    bytes_ += file.bytes;
  }
  try {
    AtomicFolder folder(folder_.path_of(file.id));
    replace_file(folder.path() / "content.jsonl", contents);
    replace_file(folder.path() / "file.json", note_of(file));
    folder.commit();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    --count_;
    bytes_ -= file.bytes;
    throw;
  }
  const std::lock_guard lock(mutex_);
  files_.emplace(file.id, file);
  return file;
}

std::vector<StoredFile> FileStore::list(std::string_view owner) const {
  std::vector<StoredFile> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, file] : files_) {
      if (file.owner == owner) files.push_back(file);
    }
  }
  std::sort(files.begin(), files.end(), [](const StoredFile& a, const StoredFile& b) {
    return std::tie(a.created_s, a.id) > std::tie(b.created_s, b.id);
  });
  return files;
}

StoredFile FileStore::find(std::string_view id, std::string_view owner, std::string_view parameter) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(id);
  if (found != files_.end() && found->second.owner == owner) return found->second;
  throw Error(ErrorCode::kNotFound,
              fmt::format("{}{}there is no file \"{}\"", parameter, parameter.empty() ? "" : ": ", id),
              std::string(parameter));
}

std::string FileStore::contents(const StoredFile& file) const {
  return read_file(path(file.id), limits_.file_bytes_max);
}

void FileStore::remove(std::string_view id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(id);
    if (found == files_.end()) return;
    bytes_ -= found->second.bytes;
    --count_;
    files_.erase(found);
  }
  remove_tree(folder_.retire(id));
}

}  // namespace pelton
