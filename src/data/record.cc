#include "data/record.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"

namespace pelton::data {
namespace {

// The field, or the same one below `meta` or `metadata`.
std::string_view text_field(const Record& record, std::string_view key) {
  for (const Field& field : record.fields) {
    std::string_view name = field.key;
    for (const std::string_view prefix : {"meta.", "metadata."}) {
      if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    }
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (name == key && text != nullptr) return *text;
  }
  return {};
}

}  // namespace

std::string_view role_name(Role role) {
  constexpr std::array<std::string_view, 5> kNames = {"system", "developer", "user", "assistant", "tool"};
  return kNames[static_cast<size_t>(role)];
}

std::string ContentHash::to_hex() const { return fmt::format("{:016x}{:016x}", high, low); }

std::string_view whole_text(const Record& record, Arena& arena) {
  if (record.kind == RecordKind::kText) return record.text;
  constexpr std::string_view kBetween = "\n\n";
  size_t bytes = 0;
  for_each_text(record, [&](std::string_view text) { bytes += text.size() + kBetween.size(); });
  if (bytes == 0) return {};
  char* start = arena.allocate(bytes);
  char* end = start;
  const auto put = [&](std::string_view text) {
    std::memcpy(end, text.data(), text.size());
    end += text.size();
  };
  for_each_text(record, [&](std::string_view text) {
    if (end != start) put(kBetween);
    if (!text.empty()) put(text);
  });
  return {start, static_cast<size_t>(end - start)};
}

const Field* find_field(const Record& record, std::string_view key) {
  for (const Field& field : record.fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

void set_field(Record& record, std::string_view key, FieldValue value, Arena& arena) {
  for (Field& field : record.fields) {
    if (field.key != key) continue;
    field.value = value;
    field.is_new = true;
    return;
  }
  const size_t count = record.fields.size();
  auto* fields = reinterpret_cast<Field*>(arena.allocate((count + 1) * sizeof(Field)));
  std::uninitialized_copy(record.fields.begin(), record.fields.end(), fields);
  new (&fields[count]) Field{key, value, true};
  record.fields = {fields, count + 1};
}

std::string_view license_of(const Record& record) {
  for (const std::string_view key : {"license", "licence"}) {
    if (const std::string_view own = text_field(record, key); !own.empty()) return own;
  }
  return record.source == nullptr ? std::string_view() : record.source->license;
}

std::string_view url_of(const Record& record) {
  if (const std::string_view own = text_field(record, "url"); !own.empty()) return own;
  return record.source == nullptr ? std::string_view() : record.source->url;
}

std::string_view split_of(const Record& record) {
  if (const std::string_view own = text_field(record, "split"); !own.empty()) return own;
  return record.source == nullptr ? std::string_view() : record.source->split;
}

bool is_synthetic(const Record& record) {
  if (const Field* own = find_field(record, "synthetic"); own != nullptr) {
    if (const bool* flag = std::get_if<bool>(&own->value)) return *flag;
  }
  return record.source != nullptr && record.source->is_synthetic;
}

}  // namespace pelton::data
