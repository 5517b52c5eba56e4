// The metadata of a GGUF file to be written: keys with typed values, in the order in which they are added. Types are
// part of the format: readers refuse a u32 where they want a u64, so the caller's C++ type is the type in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pelton {

// As the file spells them (ggml's docs/gguf.md).
enum class GgufValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// The type of each C++ type that is a value of its own.
template <typename T>
inline constexpr bool kIsGgufScalar = false;
template <typename T>
inline constexpr GgufValueType kGgufValueTypeOf{};
#define PELTON_X(type, name)                        \
  template <>                                       \
  inline constexpr bool kIsGgufScalar<type> = true; \
  template <>                                       \
  inline constexpr GgufValueType kGgufValueTypeOf<type> = GgufValueType::name;
PELTON_X(uint8_t, kU8)
PELTON_X(int8_t, kI8)
PELTON_X(uint16_t, kU16)
PELTON_X(int16_t, kI16)
PELTON_X(uint32_t, kU32)
PELTON_X(int32_t, kI32)
PELTON_X(float, kF32)
PELTON_X(bool, kBool)
PELTON_X(uint64_t, kU64)
PELTON_X(int64_t, kI64)
PELTON_X(double, kF64)
#undef PELTON_X

template <typename T>
concept GgufScalar = kIsGgufScalar<T>;

class GgufMetadata {
 public:
  // Each key once (CHECKed), of printable ASCII (CHECKed). Strings may hold any bytes.
  template <GgufScalar T>
  void add(std::string_view key, T value) {
    begin(key, kGgufValueTypeOf<T>);
    append(&value, sizeof value);
  }
  void add(std::string_view key, std::string_view value);
  template <GgufScalar T>
  void add(std::string_view key, const std::vector<T>& values) {
    begin_array(key, kGgufValueTypeOf<T>, values.size());
    for (const T value : values) append(&value, sizeof value);
  }
  void add(std::string_view key, const std::vector<std::string>& values);
  // A value as it lies in a file, its type first: see GgufFile::encoded_metadata().
  void add_encoded(std::string_view key, std::span<const std::byte> value);

  bool contains(std::string_view key) const { return keys_.contains(key); }
  size_t size() const { return keys_.size(); }
  // All pairs, as a file holds them.
  std::string_view bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, GgufValueType type);
  void begin_array(std::string_view key, GgufValueType element_type, uint64_t count);
  void append_key(std::string_view key);
  void append_string(std::string_view text);
  void append(const void* data, size_t size_bytes) { bytes_.append(static_cast<const char*>(data), size_bytes); }

  std::set<std::string, std::less<>> keys_;
  std::string bytes_;
};

}  // namespace pelton
