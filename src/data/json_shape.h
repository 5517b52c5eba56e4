// Which columns a table needs that shall hold some JSON objects.
//
// Columns have one type, JSON values do not: so a shape remembers all that was seen in a place, and says in the end
// which type holds it without loss. Where none does (a text here, an object there; an object whose keys are data), the
// column holds the values' JSON as text.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton::data {

enum class ColumnType : uint8_t { kBool, kInt, kDouble, kText, kList, kStruct, kJson };

// Not thread-safe. Shapes of parts of the input, merged in their order, are the shape of the whole.
class JsonShape {
 public:
  void see(simdjson::dom::element value) { see(value, 0); }
  void merge(const JsonShape& later);

  // Nothing but nulls: kText. Error kUnsupported: more than 2000 members at the top, or more than 100 000 columns.
  json::object schema() const;
  // Paths of the columns that hold JSON: "meta.settings", "messages[].content".
  std::vector<std::string> json_columns() const;
  // Appends the value as these columns want it: what is a kJson becomes a text (a text stays as it is).
  void append_value(simdjson::dom::element value, std::string& out) const;

 private:
  struct Member;

  void see(simdjson::dom::element value, size_t depth);
  JsonShape& member(std::string_view name, size_t place);
  const JsonShape* find(std::string_view name, size_t place) const;
  ColumnType type() const;
  json::object type_json() const;
  size_t column_count() const;
  void collect_json_columns(const std::string& path, std::vector<std::string>& paths) const;

  uint8_t seen_ = 0;  // of Kind
  bool is_root_ = true;
  std::vector<Member> members_;  // in the order in which they were seen first
  std::unique_ptr<JsonShape> item_;
};

struct JsonShape::Member {
  std::string name;
  JsonShape shape;
};

}  // namespace pelton::data
