#include "data/record_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/formats/format.h"
#include "data/json_members.h"
#include "data/json_string.h"

namespace pelton::data {
namespace {

void append_value(const FieldValue& value, std::string& out) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return append_json_string(out, *text);
  if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&value); number != nullptr && std::isfinite(*number)) {
    fmt::format_to(std::back_inserter(out), "{}", *number);
  } else {
    out += "null";
  }
}

// The field that a step has set instead of this member; null: none.
const Field* new_field(const Record& record, std::string_view key) {
  const Field* field = find_field(record, key);
  return field != nullptr && field->is_new ? field : nullptr;
}

class ObjectWriter {
 public:
  ObjectWriter(const Record& record, const FormatType& from, const FormatType& to, std::string& out)
      : record_(record), from_(from), to_(to), out_(out) {}

  Problem write() {
    out_ += '{';
    Problem problem;
    for_each_json_member(record_.line, [&](std::string_view key, std::string_view value) {
      if (owns(from_, key)) {
        if (!has_content_ && !problem) problem = write_content();
      } else if (!owns(to_, key)) {
        write_member(key, value);
      }
    });
    if (!has_content_ && !problem) problem = write_content();
    for (const Field& field : record_.fields) {
      if (field.is_new && !was_member(field.key)) write_new(field);
    }
    out_ += '}';
    return problem;
  }

 private:
  static bool owns(const FormatType& type, std::string_view key) {
    const std::optional<ContentKey> content = content_key(key);
    return content && std::find(type.owns.begin(), type.owns.end(), *content) != type.owns.end();
  }

  void begin_member() {
    if (has_members_) out_ += ',';
    has_members_ = true;
  }

  Problem write_content() {
    begin_member();
    has_content_ = true;
    return to_.write(record_, out_);
  }

  void write_member(std::string_view key, std::string_view value) {
    begin_member();
    out_ += '"';
    out_ += key;
    out_ += "\":";
    const Field* field = new_field(record_, key);
    if (field == nullptr) {
      out_ += value;
    } else {
      append_value(field->value, out_);
    }
  }

  bool was_member(std::string_view key) const {
    bool found = false;
    for_each_json_member(record_.line, [&](std::string_view member, std::string_view) { found |= member == key; });
    return found;
  }

  void write_new(const Field& field) {
    begin_member();
    append_json_string(out_, field.key);
    out_ += ':';
    append_value(field.value, out_);
  }

  const Record& record_;
  const FormatType& from_;
  const FormatType& to_;
  std::string& out_;
  bool has_members_ = false;
  bool has_content_ = false;
};

}  // namespace

Problem write_record(const Record& record, std::optional<Format> format, std::string& out) {
  const Format to = format.value_or(record.format);
  if (!record.is_changed() && to == record.format) {
    out += record.line;
    return std::nullopt;
  }
  const size_t start = out.size();
  Problem problem = ObjectWriter(record, format_type(record.format), format_type(to), out).write();
  if (problem) out.resize(start);
  return problem;
}

}  // namespace pelton::data
