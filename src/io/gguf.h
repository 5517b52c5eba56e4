// GGUF versions 2 and 3, little-endian (ggml's docs/gguf.md). Reads the header into memory and maps the tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "io/tensor_source.h"

namespace pelton {

// Integers of every width widen to int64_t, but those stored as u64 to uint64_t; in arrays all widen to int64_t (larger
// ones are refused). Arrays hold one type and do not nest. Strings are the file's bytes, not checked to be UTF-8.
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string>, std::vector<bool>>;

struct GgufEncodedPair {
  std::string_view key;              // a key of metadata()
  std::span<const std::byte> value;  // its type, then itself
};

class GgufFile final : public TensorSource {
 public:
  // Errors: kNotFound, kIo; kCorruptFile (bad magic, truncated, counts or lengths beyond the file or a header beyond
  // 128 MB, names that are empty, duplicate or not printable ASCII, no or more than four dimensions, a dimension of 0,
  // rows that are no whole number of blocks, tensors outside the file or overlapping or misaligned, size overflow, an
  // alignment that is no power of two up to 1 MB); kUnsupported (version 1, big-endian, arrays of arrays, an element
  // type that Pelton does not know: named with its tensor).
  // Of a split model (`split.count` above 1) any part opens all, which must lie beside it under llama.cpp's names.
  // Errors then, too: kNotFound (a part is missing: named), kCorruptFile (as join() says, and a name that does not
  // fit).
  static std::shared_ptr<const GgufFile> open(const std::filesystem::path& path);
  // The file alone, which may be a part of a model.
  static std::shared_ptr<const GgufFile> open_part(const std::filesystem::path& path);
  // All parts of a split model, in order, as one file with the first part's metadata. Errors: kCorruptFile (`split.no`,
  // `split.count` or `split.tensors.count` do not fit, a tensor in two parts, metadata that the first part lacks or has
  // otherwise).
  static std::shared_ptr<const GgufFile> join(const std::vector<std::shared_ptr<const GgufFile>>& parts);
  // The same on bytes in memory, for tests and fuzzing; `bytes` must outlive the result and all its tensors.
  static std::shared_ptr<const GgufFile> parse(std::span<const std::byte> bytes, std::string name);

  uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  // The same as it lies in the file, in its order: to copy values without a change of type.
  const std::vector<GgufEncodedPair>& encoded_metadata() const { return encoded_metadata_; }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override;
  const std::filesystem::path& path() const { return path_; }  // of the first part
  int64_t part_count() const { return part_count_; }
  // Of the tensors' data; a power of two.
  uint64_t alignment() const { return alignment_; }

  // Typed metadata. std::nullopt or null: absent. Error kCorruptFile: present with another type or out of range. A
  // single number must be finite; integers widen to numbers.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  const std::vector<std::string>* strings(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;

 private:
  GgufFile() = default;
  friend class GgufParser;
  const GgufValue* value(std::string_view key) const;  // null: absent
  [[noreturn]] void fail(std::string_view key, std::string_view expected) const;

  // Where a tensor's data lie.
  struct Place {
    const std::byte* data;
    std::shared_ptr<const MappedFile> mapping;  // null where the file was parsed from memory
  };

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapping_;  // of the metadata
  int64_t part_count_ = 1;
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufEncodedPair> encoded_metadata_;
  std::vector<TensorEntry> entries_;
  std::vector<Place> places_;  // of each entry
  std::map<std::string, size_t, std::less<>> index_;
};

// For people: "GGUF 3", "GGUF 3 in 2 parts".
std::string gguf_format_name(const GgufFile& file);

}  // namespace pelton
