#include "io/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/temporary_name.h"
#include "io/in_quotes.h"
#include "io/tensor_size.h"

namespace pelton {
namespace {

constexpr uint32_t kVersion = 3;
constexpr std::string_view kAlignmentKey = "general.alignment";

uint64_t round_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

template <typename T>
void append_number(std::string& text, T value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& text, std::string_view value) {
  append_number(text, static_cast<uint64_t>(value.size()));
  text += value;
}

uint64_t size_bytes(const TensorEntry& tensor) {
  return static_cast<uint64_t>(bytes_of(tensor.type, tensor.shape.element_count()));
}

void check_tensors(const std::filesystem::path& path, const std::vector<TensorEntry>& tensors) {
  std::set<std::string_view> names;
  for (const TensorEntry& tensor : tensors) {
    const auto refuse = [&](std::string_view reason) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("cannot write {}: tensor {}: {}", path.string(), in_quotes(tensor.name), reason));
    };
    const bool is_printable = std::all_of(tensor.name.begin(), tensor.name.end(),
                                          [](char letter) { return letter >= 0x20 && letter < 0x7F; });
    if (tensor.name.empty() || !is_printable) refuse("the format does not allow this name");
    if (!names.insert(tensor.name).second) refuse("given twice");
    if (tensor.shape.rank() == 0) refuse("GGUF has no tensors without dimensions");
    for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
      if (tensor.shape[axis] < 1) refuse(fmt::format("a dimension of {}", tensor.shape[axis]));
    }
    if (tensor.shape.innermost() % info(tensor.type).block_elements != 0) {
      refuse(fmt::format("rows of {} are no whole number of {} blocks", tensor.shape.innermost(),
                         element_type_name(tensor.type)));
    }
    if (!checked_size_bytes(tensor.type, tensor.shape)) {
      refuse(fmt::format("the size of {} overflows", tensor.shape.to_string()));
    }
  }
}

std::string header_of(const GgufMetadata& metadata, const std::vector<TensorEntry>& tensors, uint64_t alignment) {
  CHECK(!metadata.contains(kAlignmentKey));
  GgufMetadata alignment_pair;
  if (alignment != GgufWriter::kAlignmentDefault) alignment_pair.add(kAlignmentKey, static_cast<uint32_t>(alignment));

  std::string header = "GGUF";
  append_number(header, kVersion);
  append_number(header, static_cast<uint64_t>(tensors.size()));
  append_number(header, static_cast<uint64_t>(alignment_pair.size() + metadata.size()));
  header += alignment_pair.bytes();
  header += metadata.bytes();
  uint64_t offset = 0;  // from the first tensor's data
  for (const TensorEntry& tensor : tensors) {
    append_string(header, tensor.name);
    append_number(header, static_cast<uint32_t>(tensor.shape.rank()));
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) append_number(header, tensor.shape[axis]);
    append_number(header, static_cast<uint32_t>(info(tensor.type).gguf_id));
    append_number(header, offset);
    offset = round_up(offset + size_bytes(tensor), alignment);
  }
  // Some readers map the data where there are no tensors, too.
  header.resize(round_up(header.size(), alignment), '\0');
  return header;
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
                       std::vector<TensorEntry> tensors, uint64_t alignment)
    : file_(path), tensors_(std::move(tensors)), alignment_(alignment) {
  CHECK(std::has_single_bit(alignment));
  remove_leftovers(path);
  check_tensors(path, tensors_);
  const std::string header = header_of(metadata, tensors_, alignment);
  file_bytes_ = header.size();
  for (const TensorEntry& tensor : tensors_) file_bytes_ += round_up(size_bytes(tensor), alignment);
  file_.write(std::as_bytes(std::span(header)));
  position_ = header.size();
  if (!is_complete()) tensor_rest_ = size_bytes(tensors_.front());
}

void GgufWriter::append(std::span<const std::byte> bytes) {
  CHECK(!is_complete() && bytes.size() <= tensor_rest_);
  file_.write(bytes);
  position_ += bytes.size();
  tensor_rest_ -= bytes.size();
  if (tensor_rest_ > 0) return;
  // The last tensor is padded too, as ggml does it: its loaders read whole multiples of the alignment.
  write_padding();
  if (++tensor_ < tensors_.size()) tensor_rest_ = size_bytes(tensors_[tensor_]);
}

void GgufWriter::write_padding() {
  const std::string zeros(round_up(position_, alignment_) - position_, '\0');
  file_.write(std::as_bytes(std::span(zeros)));
  position_ += zeros.size();
}

std::shared_ptr<const GgufFile> GgufWriter::read_back() const {
  CHECK(is_complete());
  return GgufFile::open(file_.temporary_path());
}

void GgufWriter::commit() {
  CHECK(is_complete() && position_ == file_bytes_);
  file_.commit();
}

}  // namespace pelton
