#include "io/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/error.h"
#include "base/json.h"
#include "io/in_quotes.h"
#include "io/tensor_size.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kLengthBytes = 8;
// The format's own limit on headers; they nest three deep: file, tensor, shape.
constexpr uint64_t kHeaderBytesMax = 100'000'000;
constexpr size_t kHeaderDepthMax = 4;
constexpr std::string_view kMetadataKey = "__metadata__";

std::optional<uint64_t> as_size(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
  return std::nullopt;
}

}  // namespace

class SafetensorsParser {
 public:
  SafetensorsParser(std::span<const std::byte> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)), file_(new SafetensorsFile) {}

  std::shared_ptr<SafetensorsFile> parse() {
    const json::object header = read_header();
    std::vector<Described> tensors;
    for (const auto& [key, value] : header) {
      if (key == kMetadataKey) {
        read_metadata(value);
      } else {
        tensors.push_back(read_description(key, value));
      }
    }
    place(std::move(tensors));
    return file_;
  }

 private:
  struct Described {
    TensorEntry entry;
    uint64_t begin;
    uint64_t end;
  };

  // Leaves in data_ what follows the header.
  json::object read_header() {
    if (bytes_.size() < kLengthBytes) {
      fail(fmt::format("{} bytes are too few for a safetensors file", bytes_.size()));
    }
    uint64_t length;
    std::memcpy(&length, bytes_.data(), kLengthBytes);
    if (length > kHeaderBytesMax) {
      fail(fmt::format("expected a header of at most {} bytes, got a length of {}", kHeaderBytesMax, length));
    }
    if (length > bytes_.size() - kLengthBytes) {
      fail(fmt::format("a header of {} bytes does not fit in a file of {}: truncated?", length, bytes_.size()));
    }
    data_ = bytes_.subspan(kLengthBytes + length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + kLengthBytes, length);
    if (!text.starts_with('{')) fail("the header does not begin with '{': not a safetensors file?");
    json::value value;
    try {
      value = parse_json(text, name_, {.depth_max = kHeaderDepthMax, .bytes_max = kHeaderBytesMax});
    } catch (const Error& error) {
      throw Error(ErrorCode::kCorruptFile, "safetensors header of " + error.message());
    }
    return std::move(value.get_object());
  }

  void read_metadata(const json::value& value) {
    if (!value.is_object()) fail("__metadata__: expected an object of strings");
    for (const auto& [key, text] : value.get_object()) {
      if (!text.is_string()) fail(fmt::format("__metadata__: {}: expected a string", in_quotes(key)));
      file_->metadata_.emplace(key, text.get_string());
    }
  }

  Described read_description(std::string_view name, const json::value& value) {
    if (name.empty()) fail("a tensor has no name");
    if (!value.is_object()) fail(name, "expected an object with dtype, shape and data_offsets");
    const json::object& object = value.get_object();
    for (const auto& [key, unused] : object) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail(name, fmt::format("unknown field {}", in_quotes(key)));
      }
    }
    Described tensor{.entry = {.name = std::string(name), .type = read_type(name, object), .shape = {}}};
    tensor.entry.shape = read_shape(name, object);
    const std::vector<uint64_t> offsets = read_sizes(name, object, "data_offsets");
    if (offsets.size() != 2) fail(name, fmt::format("data_offsets: expected two numbers, got {}", offsets.size()));
    tensor.begin = offsets[0];
    tensor.end = offsets[1];
    check_range(tensor);
    return tensor;
  }

  ElementType read_type(std::string_view name, const json::object& object) {
    const json::value* dtype = object.if_contains("dtype");
    if (dtype == nullptr || !dtype->is_string()) fail(name, "dtype: expected a string");
    const std::optional<ElementType> type = element_type_from_safetensors(dtype->get_string());
    if (type) return *type;
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: tensor {}: dtype {} is not supported", name_, in_quotes(name),
                                                     in_quotes(dtype->get_string())));
  }

  Shape read_shape(std::string_view name, const json::object& object) {
    const std::vector<uint64_t> sizes = read_sizes(name, object, "shape");
    if (sizes.size() > Shape::kRankMax) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: tensor {}: {} dimensions; at most {} are supported", name_,
                                                       in_quotes(name), sizes.size(), Shape::kRankMax));
    }
    Shape shape;
    for (const uint64_t size : sizes) {
      if (size > INT64_MAX) fail(name, fmt::format("shape: {} is too large", size));
      shape.append(static_cast<int64_t>(size));
    }
    return shape;
  }

  std::vector<uint64_t> read_sizes(std::string_view name, const json::object& object, std::string_view field) {
    const json::value* list = object.if_contains(field);
    if (list == nullptr || !list->is_array()) fail(name, fmt::format("{}: expected a list of numbers", field));
    std::vector<uint64_t> sizes;
    for (const json::value& item : list->get_array()) {
      const std::optional<uint64_t> size = as_size(item);
      if (!size) fail(name, fmt::format("{}: expected whole numbers from 0", field));
      sizes.push_back(*size);
    }
    return sizes;
  }

  void check_range(const Described& tensor) {
    if (tensor.begin > tensor.end || tensor.end > data_.size()) {
      fail(tensor.entry.name,
           fmt::format("data_offsets [{}, {}] are no range within the {} bytes of data{}", tensor.begin, tensor.end,
                       data_.size(), tensor.begin <= tensor.end ? ": truncated?" : ""));
    }
    const std::optional<int64_t> expected = checked_size_bytes(tensor.entry.type, tensor.entry.shape);
    if (!expected) fail(tensor.entry.name, fmt::format("the size of {} overflows", tensor.entry.shape.to_string()));
    if (tensor.end - tensor.begin != static_cast<uint64_t>(*expected)) {
      fail(tensor.entry.name,
           fmt::format("{} of {} takes {} bytes, but data_offsets give {}", info(tensor.entry.type).safetensors_name,
                       tensor.entry.shape.to_string(), *expected, tensor.end - tensor.begin));
    }
  }

  // Tensors follow each other without overlap or gap and use up the data, as the format demands: nothing hides between.
  void place(std::vector<Described> tensors) {
    std::sort(tensors.begin(), tensors.end(), [](const Described& a, const Described& b) {
      return std::tie(a.begin, a.end, a.entry.name) < std::tie(b.begin, b.end, b.entry.name);
    });
    uint64_t used = 0;
    for (Described& tensor : tensors) {
      if (tensor.begin != used) {
        fail(tensor.entry.name, fmt::format("begins at byte {} of the data, but the tensor before it ends at {}: {}",
                                            tensor.begin, used, tensor.begin < used ? "overlap" : "gap"));
      }
      used = tensor.end;
      file_->index_.emplace(tensor.entry.name, file_->entries_.size());
      file_->data_.push_back(data_.subspan(tensor.begin, tensor.end - tensor.begin));
      file_->entries_.push_back(std::move(tensor.entry));
    }
    if (used != data_.size()) fail(fmt::format("{} bytes follow the last tensor", data_.size() - used));
  }

  [[noreturn]] void fail(std::string_view reason) const {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", name_, reason));
  }
  [[noreturn]] void fail(std::string_view tensor, std::string_view reason) const {
    fail(fmt::format("tensor {}: {}", in_quotes(tensor), reason));
  }

  std::span<const std::byte> bytes_;
  std::string name_;
  std::shared_ptr<SafetensorsFile> file_;
  std::span<const std::byte> data_;
};

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const fs::path& path) {
  std::shared_ptr<const MappedFile> mapping = MappedFile::open(path);
  std::shared_ptr<SafetensorsFile> file = SafetensorsParser(mapping->bytes(), path.string()).parse();
  file->mapping_ = std::move(mapping);
  return file;
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, std::string name) {
  return SafetensorsParser(bytes, std::move(name)).parse();
}

std::optional<Tensor> SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  const TensorEntry& entry = entries_[found->second];
  return Tensor(entry.type, entry.shape, data_[found->second].data(), mapping_);
}

}  // namespace pelton
