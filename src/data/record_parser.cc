#include "data/record_parser.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "data/content_hash.h"
#include "data/formats/format.h"

namespace pelton::data {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

constexpr size_t kFieldDepthMax = 3;  // {"meta": {"source": {"license": …}}}

std::string_view id_text(element value, Arena& arena) {
  if (value.is_string()) return arena.copy(value.get_string().value_unsafe());
  if (value.is_int64()) return arena.copy(fmt::format("{}", value.get_int64().value_unsafe()));
  if (value.is_uint64()) return arena.copy(fmt::format("{}", value.get_uint64().value_unsafe()));
  return {};
}

std::string problem_of(simdjson::error_code code) {
  if (code == simdjson::UTF8_ERROR) return "not valid UTF-8";
  return fmt::format("not valid JSON: {}", simdjson::error_message(code));
}

std::string keys_of(object members) {
  std::string keys;
  size_t count = 0;
  for (const auto [key, value] : members) {
    if (++count > 8) return keys + ", …";
    keys += keys.empty() ? "" : ", ";
    keys += key.substr(0, 40);
  }
  return keys.empty() ? "none" : keys;
}

}  // namespace

class RecordParser::Document {
 public:
  explicit Document(std::optional<Format> format) : format_(format) {}

  Problem parse(std::string_view line, const SourceFile& source, uint64_t line_number, Record& record, Arena& arena);

 private:
  void take_member(std::string_view key, element value, Record& record, Arena& arena);
  void add_fields(std::string_view key, element value, size_t depth, Arena& arena);
  const FormatType* find_type() const;

  std::optional<Format> format_;
  simdjson::dom::parser parser_;
  Content content_;
  std::vector<Field> fields_;
};

RecordParser::RecordParser(std::optional<Format> format) : document_(std::make_unique<Document>(format)) {}
RecordParser::~RecordParser() = default;
RecordParser::RecordParser(RecordParser&&) noexcept = default;
RecordParser& RecordParser::operator=(RecordParser&&) noexcept = default;

Problem RecordParser::parse(std::string_view line, const SourceFile& source, uint64_t line_number, Record& record,
                            Arena& arena) {
  return document_->parse(line, source, line_number, record, arena);
}

Problem RecordParser::Document::parse(std::string_view line, const SourceFile& source, uint64_t line_number,
                                      Record& record, Arena& arena) {
  // Grows in powers of two: simdjson by itself allocates anew for every line that is longer than all before.
  if (line.size() > parser_.capacity()) {
    if (const auto code = parser_.allocate(std::max(std::bit_ceil(line.size()), size_t{1} << 16)); code != 0) {
      return problem_of(code);
    }
  }
  object members;
  element root;
  if (const auto code = parser_.parse(line.data(), line.size(), false).get(root); code != 0) return problem_of(code);
  if (root.get_object().get(members) != simdjson::SUCCESS) return "not a JSON object";

  record = Record();
  record.source = &source;
  record.line_number = line_number;
  record.line = line;
  content_.clear();
  fields_.clear();
  for (const auto [key, value] : members) take_member(key, value, record, arena);

  const FormatType* type = find_type();
  if (type == nullptr) return fmt::format("no format of records has these members: {}", keys_of(members));
  if (!type->matches(content_)) {
    return fmt::format("not a record of format {}: its members are {}", type->name, keys_of(members));
  }
  record.format = type->format;
  if (Problem problem = type->read(content_, record, arena)) return problem;
  // Members that are content elsewhere and here only tell something.
  for (size_t i = 0; i < kContentKeyCount; ++i) {
    const auto key = static_cast<ContentKey>(i);
    if (!content_.has(key) || std::find(type->owns.begin(), type->owns.end(), key) != type->owns.end()) continue;
    add_fields(content_key_name(key), content_.value(key), 1, arena);
  }
  record.fields = arena.copy(std::span<const Field>(fields_));
  record.hash = content_hash(record);
  record.has_own_id = !record.id.empty();
  if (!record.has_own_id) record.id = arena.copy(fmt::format("{}:{}", source.path, line_number));
  return std::nullopt;
}

void RecordParser::Document::take_member(std::string_view key, element value, Record& record, Arena& arena) {
  if (key == "id") {
    record.id = id_text(value, arena);
  } else if (const std::optional<ContentKey> known = content_key(key)) {
    content_.set(*known, value);
  } else {
    add_fields(arena.copy(key), value, 1, arena);
  }
}

void RecordParser::Document::add_fields(std::string_view key, element value, size_t depth, Arena& arena) {
  switch (value.type()) {
    case element_type::ARRAY:
      return;
    case element_type::OBJECT:
      if (depth == kFieldDepthMax) return;
      for (const auto [name, inner] : object_of(value)) {
        add_fields(arena.copy(fmt::format("{}.{}", key, name)), inner, depth + 1, arena);
      }
      return;
    case element_type::STRING:
      fields_.push_back({key, arena.copy(value.get_string().value_unsafe())});
      return;
    case element_type::BOOL:
      fields_.push_back({key, value.get_bool().value_unsafe()});
      return;
    case element_type::NULL_VALUE:
      fields_.push_back({key, std::monostate()});
      return;
    default:
      fields_.push_back({key, value.get_double().value_unsafe()});
  }
}

const FormatType* RecordParser::Document::find_type() const {
  if (format_) return &format_type(*format_);
  for (const FormatType& type : format_types()) {
    if (type.matches(content_)) return &type;
  }
  return nullptr;
}

}  // namespace pelton::data
