#include "io/gguf_metadata.h"

#include <algorithm>

#include "base/check.h"

namespace pelton {

static_assert(sizeof(bool) == 1, "a bool is written as it lies");

void GgufMetadata::add(std::string_view key, std::string_view value) {
  begin(key, GgufValueType::kString);
  append_string(value);
}

void GgufMetadata::add(std::string_view key, const std::vector<std::string>& values) {
  begin_array(key, GgufValueType::kString, values.size());
  for (const std::string& value : values) append_string(value);
}

void GgufMetadata::add_encoded(std::string_view key, std::span<const std::byte> value) {
  append_key(key);
  append(value.data(), value.size());
}

void GgufMetadata::begin(std::string_view key, GgufValueType type) {
  append_key(key);
  append(&type, sizeof type);
}

void GgufMetadata::begin_array(std::string_view key, GgufValueType element_type, uint64_t count) {
  begin(key, GgufValueType::kArray);
  append(&element_type, sizeof element_type);
  append(&count, sizeof count);
}

void GgufMetadata::append_key(std::string_view key) {
  CHECK(!key.empty() &&
        std::all_of(key.begin(), key.end(), [](char letter) { return letter >= 0x20 && letter < 0x7F; }));
  CHECK(keys_.emplace(key).second);
  append_string(key);
}

void GgufMetadata::append_string(std::string_view text) {
  const uint64_t size = text.size();
  append(&size, sizeof size);
  append(text.data(), text.size());
}

}  // namespace pelton
