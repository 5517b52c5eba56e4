// safetensors (huggingface/safetensors, format.md): one file, or a folder's shards with their index.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file_writer.h"
#include "base/file.h"
#include "io/tensor_source.h"

namespace pelton {

class SafetensorsFile final : public TensorSource {
 public:
  // Errors: kNotFound, kIo; kCorruptFile (header length beyond the file or over 100 MB, broken JSON, an offset pair out
  // of order or out of the file, overlap or gap, bytes that do not match dtype × shape, overflow); kUnsupported (dtype,
  // more than four dimensions). Data need not be aligned. Dimensions may be zero.
  static std::shared_ptr<const SafetensorsFile> open(const std::filesystem::path& path);
  // For tests and fuzzing; `bytes` must outlive the result and all its tensors.
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes, std::string name);

  // In the order of their data. Bytes that Pelton computes nothing with (U8, F8_E4M3) have the type I8.
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }  // `__metadata__`

 private:
  SafetensorsFile() = default;
  friend class SafetensorsParser;

  std::shared_ptr<const MappedFile> mapping_;
  std::vector<TensorEntry> entries_;
  std::vector<std::span<const std::byte>> data_;  // of each entry
  std::map<std::string, std::string> metadata_;
  std::map<std::string, size_t, std::less<>> index_;
};

// The weights of a Hugging Face folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
// Errors: as above; kCorruptFile (a tensor in two shards, a tensor or shard that the index promises and is not there,
// a shard name that is no plain file name); kNotFound (neither file); kUnsupported (only .bin or .pt: files that can
// run code).
std::shared_ptr<const TensorSource> open_safetensors_folder(const std::filesystem::path& folder);

// Writes one file: the whole header first, then the data of one tensor after the other, piece by piece. It appears
// whole or not at all.
class SafetensorsWriter {
 public:
  // Writes the header; `metadata` becomes `__metadata__`. Errors: kIo; kInvalidArgument (a type that safetensors lacks,
  // a name that is empty, reserved or given twice).
  SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorEntry> tensors,
                    const std::map<std::string, std::string>& metadata = {});

  // Of the whole file, known from the start.
  uint64_t file_bytes() const { return file_bytes_; }
  // The next bytes of the tensors' data, in their order, in pieces of any size. More than there should be is CHECKed.
  // Error kIo.
  void append(std::span<const std::byte> bytes);
  // Error kIo. All data must be there (CHECKed). Call once, last.
  void commit();

 private:
  AtomicFileWriter file_;
  uint64_t file_bytes_ = 0;
  uint64_t position_ = 0;  // bytes written
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
// The whole of a SafetensorsWriter in one call, without a copy of the data in memory. Errors: as there.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace pelton
