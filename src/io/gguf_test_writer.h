// For tests only: builds GGUF files in memory, right ones and wrong ones. Reads back with io/gguf.h, ggml and Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace pelton {

class GgufTestWriter {
 public:
  // What to write in place of the right thing; the defaults are a valid file.
  struct Options {
    uint32_t version = 3;
    uint64_t alignment = 32;  // of the data; the key general.alignment is up to the caller
    std::string magic = "GGUF";
    int64_t extra_tensor_count = 0;  // added to the count in the header
    int64_t extra_pair_count = 0;
  };

  GgufTestWriter() = default;
  explicit GgufTestWriter(Options options) : options_(std::move(options)) {}

  GgufTestWriter& u32(std::string_view key, uint32_t value) { return pair(key, 4, value); }
  GgufTestWriter& i32(std::string_view key, int32_t value) { return pair(key, 5, value); }
  GgufTestWriter& u64(std::string_view key, uint64_t value) { return pair(key, 10, value); }
  GgufTestWriter& f32(std::string_view key, float value) { return pair(key, 6, value); }
  GgufTestWriter& boolean(std::string_view key, bool value) { return pair<uint8_t>(key, 7, value ? 1 : 0); }
  GgufTestWriter& string(std::string_view key, std::string_view value) {
    begin_pair(key, 8);
    append_string(pairs_, value);
    return *this;
  }
  GgufTestWriter& strings(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, 8, values.size());
    for (const std::string& value : values) append_string(pairs_, value);
    return *this;
  }
  GgufTestWriter& f32s(std::string_view key, const std::vector<float>& values) { return array(key, 6, values); }
  GgufTestWriter& i32s(std::string_view key, const std::vector<int32_t>& values) { return array(key, 5, values); }
  // Any one value of the type with this id, right or wrong.
  template <typename T>
  GgufTestWriter& pair(std::string_view key, uint32_t type, T value) {
    begin_pair(key, type);
    append(pairs_, value);
    return *this;
  }
  template <typename T>
  GgufTestWriter& array(std::string_view key, uint32_t element_type, const std::vector<T>& values) {
    begin_array(key, element_type, values.size());
    for (const T& value : values) append(pairs_, value);
    return *this;
  }

  // `shape` outermost first, as everywhere else in Pelton.
  GgufTestWriter& tensor(std::string_view name, ElementType type, std::initializer_list<int64_t> shape,
                         std::string_view data) {
    const std::vector<int64_t> sizes(std::rbegin(shape), std::rend(shape));
    return raw_tensor(name, static_cast<uint32_t>(info(type).gguf_id), sizes, next_offset(), data);
  }
  GgufTestWriter& tensor(std::string_view name, const Tensor& tensor) {
    std::vector<int64_t> sizes;
    for (int axis = tensor.shape().rank() - 1; axis >= 0; --axis) sizes.push_back(tensor.shape()[axis]);
    return raw_tensor(name, static_cast<uint32_t>(info(tensor.type()).gguf_id), sizes, next_offset(),
                      {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.size_bytes())});
  }
  // Anything at all: sizes innermost first as in the file, an offset that need not be where `data` goes.
  GgufTestWriter& raw_tensor(std::string_view name, uint32_t type, const std::vector<int64_t>& sizes, uint64_t offset,
                             std::string_view data) {
    append_string(tensors_, name);
    append(tensors_, static_cast<uint32_t>(sizes.size()));
    for (const int64_t size : sizes) append(tensors_, size);
    append(tensors_, type);
    append(tensors_, offset);
    ++tensor_count_;
    data_.resize(next_offset(), '\0');
    data_ += data;
    return *this;
  }
  // Where the next tensor's data will lie.
  uint64_t next_offset() const {
    return (data_.size() + options_.alignment - 1) / options_.alignment * options_.alignment;
  }

  std::string bytes() const {
    std::string file = options_.magic;
    append(file, options_.version);
    append(file, tensor_count_ + static_cast<uint64_t>(options_.extra_tensor_count));
    append(file, pair_count_ + static_cast<uint64_t>(options_.extra_pair_count));
    file += pairs_ + tensors_;
    if (tensor_count_ > 0) {
      file.resize((file.size() + options_.alignment - 1) / options_.alignment * options_.alignment, '\0');
    }
    return file + data_;
  }

 private:
  template <typename T>
  static void append(std::string& text, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    text.append(bytes, sizeof(T));
  }
  static void append_string(std::string& text, std::string_view value) {
    append(text, static_cast<uint64_t>(value.size()));
    text += value;
  }
  void begin_pair(std::string_view key, uint32_t type) {
    append_string(pairs_, key);
    append(pairs_, type);
    ++pair_count_;
  }
  void begin_array(std::string_view key, uint32_t element_type, uint64_t count) {
    begin_pair(key, 9);
    append(pairs_, element_type);
    append(pairs_, count);
  }

  Options options_;
  std::string pairs_;
  std::string tensors_;
  std::string data_;
  uint64_t pair_count_ = 0;
  uint64_t tensor_count_ = 0;
};

}  // namespace pelton
