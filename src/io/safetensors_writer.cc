#include <fmt/format.h>

#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/temporary_name.h"
#include "io/in_quotes.h"
#include "io/safetensors.h"

namespace pelton {
namespace {

constexpr size_t kHeaderAlignment = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

struct Header {
  std::string text;
  uint64_t data_bytes = 0;  // of all tensors
};

Header header_of(std::span<const TensorEntry> tensors, const std::map<std::string, std::string>& metadata,
                 const std::filesystem::path& path) {
  json::object object;
  if (!metadata.empty()) {
    json::object pairs;
    for (const auto& [key, value] : metadata) pairs[key] = value;
    object[kMetadataKey] = std::move(pairs);
  }
  Header header;
  for (const TensorEntry& tensor : tensors) {
    const ElementTypeInfo& type = info(tensor.type);
    const auto refuse = [&](std::string_view reason) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cannot write {}: tensor {}: {}", path.string(), in_quotes(tensor.name), reason));
    };
    if (type.safetensors_name.empty()) refuse(fmt::format("safetensors has no type {}", type.name));
    if (tensor.name.empty() || tensor.name == kMetadataKey) refuse("the format does not allow this name");
    if (object.contains(tensor.name)) refuse("given twice");

    json::array shape;
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
    const uint64_t begin = header.data_bytes;
    header.data_bytes += static_cast<uint64_t>(bytes_of(tensor.type, tensor.shape.element_count()));
    object[tensor.name] = {
        {"dtype", type.safetensors_name}, {"shape", std::move(shape)}, {"data_offsets", {begin, header.data_bytes}}};
  }
  header.text = json::serialize(object);
  header.text.resize((header.text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  return header;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorEntry> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path) {
  remove_leftovers(path);
  const Header header = header_of(tensors, metadata, path);
  const uint64_t length = header.text.size();
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(std::as_bytes(std::span(header.text)));
  position_ = sizeof length + length;
  file_bytes_ = position_ + header.data_bytes;
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  CHECK(bytes.size() <= file_bytes_ - position_);
  file_.write(bytes);
  position_ += bytes.size();
}

void SafetensorsWriter::commit() {
  CHECK(position_ == file_bytes_);
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  std::vector<TensorEntry> entries;
  for (const NamedTensor& named : tensors) {
    entries.push_back({named.name, named.tensor.type(), named.tensor.shape()});
  }
  SafetensorsWriter writer(path, entries);
  for (const NamedTensor& named : tensors) {
    writer.append({named.tensor.data(), static_cast<size_t>(named.tensor.size_bytes())});
  }
  writer.commit();
}

}  // namespace pelton
