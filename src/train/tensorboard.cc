#include "train/tensorboard.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "train/log_lines.h"

namespace pelton {
namespace {

static_assert(std::endian::native == std::endian::little, "TFRecord and protocol buffers are little-endian");

// CRC-32C (Castagnoli; RFC 3720), reflected.
uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < made.size(); ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
      made[i] = value;
    }
    return made;
  }();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

// Stored beside what it is of, a checksum must not look like one.
uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

template <typename T>
void append_raw(std::string& bytes, T value) {
  const auto raw = std::bit_cast<std::array<char, sizeof(T)>>(value);
  bytes.append(raw.data(), raw.size());
}

std::string record(std::string_view data) {
  std::string bytes;
  append_raw(bytes, static_cast<uint64_t>(data.size()));
  append_raw(bytes, masked(crc32c(bytes)));
  bytes += data;
  append_raw(bytes, masked(crc32c(data)));
  return bytes;
}

// --- protocol buffers: a field's number and wire type, then its value

enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

void append_key(std::string& bytes, int field, Wire wire) {
  append_varint(bytes, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void append_bytes(std::string& bytes, int field, std::string_view value) {
  append_key(bytes, field, Wire::kBytes);
  append_varint(bytes, value.size());
  bytes += value;
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5.
std::string event(double unix_s, int64_t step) {
  std::string bytes;
  append_key(bytes, 1, Wire::kFixed64);
  append_raw(bytes, unix_s);
  if (step != 0) {
    append_key(bytes, 2, Wire::kVarint);
    append_varint(bytes, static_cast<uint64_t>(step));
  }
  return bytes;
}

std::string tag_of(std::string_view key) {
  constexpr std::string_view kEvaluation = "eval_";
  if (key.starts_with(kEvaluation)) return "eval/" + std::string(key.substr(kEvaluation.size()));
  return "train/" + std::string(key);
}

}  // namespace

std::string tensorboard_header(double unix_s) {
  std::string bytes = event(unix_s, 0);
  append_bytes(bytes, 3, "brain.Event:2");
  return record(bytes);
}

std::string tensorboard_event(const json::object& line, double unix_s) {
  std::string summary;
  for (const auto& [key, value] : line) {
    if (key == "step" || !value.is_number()) continue;
    std::string scalar;  // Summary.Value: tag = 1, simple_value = 2
    append_bytes(scalar, 1, tag_of(key));
    append_key(scalar, 2, Wire::kFixed32);
    append_raw(scalar, static_cast<float>(value.to_number<double>()));
    append_bytes(summary, 1, scalar);
  }
  if (summary.empty()) return "";
  std::string bytes = event(unix_s, line.at("step").to_number<int64_t>());
  append_bytes(bytes, 5, summary);
  return record(bytes);
}

std::string tensorboard_events(std::string_view log, double end_unix_s) {
  std::vector<std::pair<json::object, double>> lines;  // and when, from the first on
  double elapsed_s = 0;
  for (json::object& line : log_lines(log)) {
    const json::value* speed = line.if_contains("tokens_per_second");
    if (speed != nullptr && speed->to_number<double>() > 0) {
      elapsed_s += line.at("tokens").to_number<double>() / speed->to_number<double>();
    }
    lines.emplace_back(std::move(line), elapsed_s);
  }
  std::string bytes = tensorboard_header(end_unix_s - elapsed_s);
  for (const auto& [line, at_s] : lines) bytes += tensorboard_event(line, end_unix_s - elapsed_s + at_s);
  return bytes;
}

}  // namespace pelton
