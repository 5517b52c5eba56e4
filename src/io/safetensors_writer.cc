#include <fmt/format.h>

#include <cstring>

#include "base/atomic_file_writer.h"
#include "base/error.h"
#include "base/json.h"
#include "io/in_quotes.h"
#include "io/safetensors.h"

namespace pelton {
namespace {

constexpr size_t kHeaderAlignment = 8;

std::string header_of(std::span<const NamedTensor> tensors, const std::filesystem::path& path) {
  json::object header;
  int64_t offset = 0;
  for (const NamedTensor& named : tensors) {
    const ElementTypeInfo& type = info(named.tensor.type());
    const auto refuse = [&](std::string_view reason) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cannot write {}: tensor {}: {}", path.string(), in_quotes(named.name), reason));
    };
    if (type.safetensors_name.empty()) refuse(fmt::format("safetensors has no type {}", type.name));
    if (named.name.empty() || named.name == "__metadata__") refuse("the format does not allow this name");
    if (header.contains(named.name)) refuse("given twice");

    json::array shape;
    for (int axis = 0; axis < named.tensor.shape().rank(); ++axis) shape.push_back(named.tensor.shape()[axis]);
    const int64_t end = offset + named.tensor.size_bytes();
    header[named.name] = {
        {"dtype", type.safetensors_name}, {"shape", std::move(shape)}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json::serialize(header);
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  const std::string header = header_of(tensors, path);
  const uint64_t length = header.size();
  AtomicFileWriter writer(path);
  writer.write(std::as_bytes(std::span(&length, 1)));
  writer.write(std::as_bytes(std::span(header)));
  for (const NamedTensor& named : tensors) {
    writer.write({named.tensor.data(), static_cast<size_t>(named.tensor.size_bytes())});
  }
  writer.commit();
}

}  // namespace pelton
