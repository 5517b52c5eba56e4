// Writes GGUF version 3 (ggml's docs/gguf.md), little-endian: the whole header first, then the data of one tensor after
// the other, piece by piece. The file appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/atomic_file_writer.h"
#include "io/gguf.h"
#include "io/gguf_metadata.h"
#include "io/tensor_source.h"

namespace pelton {

class GgufWriter {
 public:
  static constexpr uint64_t kAlignmentDefault = 32;

  // Writes the header. Tensors' data begins at multiples of `alignment`, a power of two; one that is not the default is
  // put into the metadata, which must not name it itself (CHECKed). Errors: kIo; kInvalidArgument (a tensor's name that
  // is empty, not printable ASCII or given twice, no dimension, a dimension below 1, rows that are no whole number of
  // blocks, a size that overflows).
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata, std::vector<TensorEntry> tensors,
             uint64_t alignment = kAlignmentDefault);

  // Of the whole file, known from the start.
  uint64_t file_bytes() const { return file_bytes_; }
  // The next bytes of the tensors' data, in the order of the tensors: a tensor in one piece or in several, but no piece
  // of two (CHECKed). Padding is written where it belongs. Error kIo.
  void append(std::span<const std::byte> bytes);
  // What has been written, as its readers will see it; call it when all data are there (CHECKed).
  std::shared_ptr<const GgufFile> read_back() const;
  // Error kIo. All data must be there (CHECKed). Call once, last.
  void commit();

 private:
  void write_padding();
  bool is_complete() const { return tensor_ == tensors_.size(); }

  AtomicFileWriter file_;
  std::vector<TensorEntry> tensors_;
  uint64_t alignment_;
  uint64_t file_bytes_ = 0;
  uint64_t position_ = 0;     // bytes written
  size_t tensor_ = 0;         // whose data comes next
  uint64_t tensor_rest_ = 0;  // bytes of it that are missing
};

}  // namespace pelton
