#include "train/checkpoint.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace pelton {

void write_checkpoint(const std::filesystem::path& path, std::span<const NamedTensor> state,
                      const CheckpointNotes& notes) {
  std::vector<TensorEntry> entries;
  for (const NamedTensor& named : state) entries.push_back({named.name, named.tensor.type(), named.tensor.shape()});
  SafetensorsWriter writer(path, entries, notes);
  for (const NamedTensor& named : state) {
    writer.append({named.tensor.data(), static_cast<size_t>(named.tensor.size_bytes())});
  }
  writer.commit();
}

CheckpointNotes read_checkpoint_notes(const std::filesystem::path& path) {
  return SafetensorsFile::open(path)->metadata();
}

void read_checkpoint(const std::filesystem::path& path, std::span<NamedTensor> state) {
  const auto file = SafetensorsFile::open(path);
  std::vector<Tensor> found;
  for (const NamedTensor& named : state) {
    const std::optional<Tensor> tensor = file->find(named.name);
    if (!tensor || tensor->type() != named.tensor.type() || tensor->shape() != named.tensor.shape()) {
      throw Error(ErrorCode::kCorruptFile,
                  fmt::format("{}: the checkpoint lacks {}, or has it in another shape", path.string(), named.name));
    }
    found.push_back(*tensor);
  }
  for (size_t i = 0; i < found.size(); ++i) {
    std::memcpy(state[i].tensor.mutable_data(), found[i].data(), static_cast<size_t>(found[i].size_bytes()));
  }
}

}  // namespace pelton
