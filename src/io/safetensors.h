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

  // In the order of their data.
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

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
// Writes a file that appears whole or not at all, tensors in the given order, without a copy of their data in memory.
// Errors: kIo; kInvalidArgument (a type that safetensors lacks, a name that is empty, reserved or given twice).
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace pelton
