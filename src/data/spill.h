// What a step that must see all records remembers of them, on disk: rows appended batch by batch, read back in order.
#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "base/file.h"

namespace pelton::data {

// What one batch appends. Not thread-safe: each batch has its own.
class SpillBuffer {
 public:
  void append(std::string_view bytes) { bytes_.append(bytes); }

  template <typename T>
  void append_row(const T& row) {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>,
                  "padding would put chance into a file");
    bytes_.append(reinterpret_cast<const char*>(&row), sizeof row);
  }

  std::string_view bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

// All that was appended, mapped: its pages count as the page cache's, not as memory held.
class SpillFile {
 public:
  explicit SpillFile(const std::filesystem::path& path) : file_(MappedFile::open(path)) {}

  std::span<const std::byte> bytes() const { return file_->bytes(); }

  template <typename T>
  std::span<const T> rows() const {
    static_assert(std::is_trivially_copyable_v<T>);
    CHECK(bytes().size() % sizeof(T) == 0);
    return {reinterpret_cast<const T*>(bytes().data()), bytes().size() / sizeof(T)};
  }

 private:
  std::shared_ptr<const MappedFile> file_;
};

}  // namespace pelton::data
