#include "data/json_shape.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "data/json_string.h"

namespace pelton::data {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// What can be seen in a place; nulls are everywhere.
enum Kind : uint8_t {
  kSeesBool = 1,
  kSeesInt = 2,
  kSeesLargeInt = 4,  // of more than 53 bits: no double holds it
  kSeesUnsigned = 8,  // beyond int64
  kSeesDouble = 16,
  kSeesText = 32,
  kSeesList = 64,
  kSeesObject = 128,
};

constexpr size_t kDepthMax = 16;
constexpr size_t kMembersMax = 256;       // of an object with more the keys are data
constexpr size_t kRootMembersMax = 2000;  // of a record
constexpr size_t kColumnsMax = 100'000;

uint8_t kind_of_int(int64_t value) {
  constexpr int64_t kExactInDouble = int64_t{1} << 53;
  return value > kExactInDouble || value < -kExactInDouble ? kSeesInt | kSeesLargeInt : kSeesInt;
}

// By value: a loop over a part of a temporary outlives it.
simdjson::dom::array items_of(element value) { return value.get_array().value_unsafe(); }
simdjson::dom::object members_of(element value) { return value.get_object().value_unsafe(); }

}  // namespace

void JsonShape::see(element value, size_t depth) {
  switch (value.type()) {
    case element_type::NULL_VALUE:
      break;
    case element_type::BOOL:
      seen_ |= kSeesBool;
      break;
    case element_type::INT64:
      seen_ |= kind_of_int(value.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      seen_ |= kSeesUnsigned;
      break;
    case element_type::DOUBLE:
      seen_ |= kSeesDouble;
      break;
    case element_type::STRING:
      seen_ |= kSeesText;
      break;
    case element_type::ARRAY:
      seen_ |= kSeesList;
      if (depth == kDepthMax) break;
      if (!item_) {
        item_ = std::make_unique<JsonShape>();
        item_->is_root_ = false;
      }
      for (const element item : items_of(value)) item_->see(item, depth + 1);
      break;
    case element_type::OBJECT: {
      seen_ |= kSeesObject;
      if (depth == kDepthMax) break;
      size_t place = 0;
      for (const auto [name, of_member] : members_of(value)) {
        if (!is_root_ && members_.size() > kMembersMax) break;
        member(name, place++).see(of_member, depth + 1);
      }
      break;
    }
  }
}

// Objects that follow each other mostly have their members in one order.
const JsonShape* JsonShape::find(std::string_view name, size_t place) const {
  if (place < members_.size() && members_[place].name == name) return &members_[place].shape;
  for (const Member& known : members_) {
    if (known.name == name) return &known.shape;
  }
  return nullptr;
}

JsonShape& JsonShape::member(std::string_view name, size_t place) {
  if (const JsonShape* known = find(name, place)) return const_cast<JsonShape&>(*known);
  if (is_root_ && members_.size() == kRootMembersMax) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the records have more than {} different members: a table has a column for each; "
                            "write .jsonl instead",
                            kRootMembersMax));
  }
  members_.push_back({std::string(name), JsonShape()});
  members_.back().shape.is_root_ = false;
  return members_.back().shape;
}

void JsonShape::merge(const JsonShape& later) {
  seen_ |= later.seen_;
  if (later.item_) {
    if (!item_) {
      item_ = std::make_unique<JsonShape>();
      item_->is_root_ = false;
    }
    item_->merge(*later.item_);
  }
  for (size_t place = 0; place < later.members_.size(); ++place) {
    if (!is_root_ && members_.size() > kMembersMax) break;
    member(later.members_[place].name, place).merge(later.members_[place].shape);
  }
}

ColumnType JsonShape::type() const {
  switch (seen_) {
    case 0:
    case kSeesText:
      return ColumnType::kText;
    case kSeesBool:
      return ColumnType::kBool;
    case kSeesInt:
    case kSeesInt | kSeesLargeInt:
      return ColumnType::kInt;
    case kSeesDouble:
    case kSeesDouble | kSeesInt:
      return ColumnType::kDouble;
    case kSeesList:
      return item_ ? ColumnType::kList : ColumnType::kJson;
    case kSeesObject:  // a struct has at least one field
      return is_root_ || (!members_.empty() && members_.size() <= kMembersMax) ? ColumnType::kStruct
                                                                               : ColumnType::kJson;
    default:
      return ColumnType::kJson;
  }
}

json::object JsonShape::type_json() const {
  switch (type()) {
    case ColumnType::kBool:
      return {{"type", "bool"}};
    case ColumnType::kInt:
      return {{"type", "int"}};
    case ColumnType::kDouble:
      return {{"type", "double"}};
    case ColumnType::kText:
    case ColumnType::kJson:
      return {{"type", "text"}};
    case ColumnType::kList:
      return {{"type", "list"}, {"item", item_->type_json()}};
    case ColumnType::kStruct:
      break;
  }
  json::array fields;
  for (const Member& member : members_) {
    json::object field = member.shape.type_json();
    field["name"] = member.name;
    fields.push_back(std::move(field));
  }
  return {{"type", "struct"}, {"fields", std::move(fields)}};
}

size_t JsonShape::column_count() const {
  if (type() == ColumnType::kList) return item_->column_count();
  if (type() != ColumnType::kStruct) return 1;
  size_t count = 0;
  for (const Member& member : members_) count += member.shape.column_count();
  return count;
}

json::object JsonShape::schema() const {
  if (seen_ == 0) return {{"type", "struct"}, {"fields", json::array()}};  // no records
  if (column_count() > kColumnsMax) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the records would need more than {} columns; write .jsonl instead", kColumnsMax));
  }
  return type_json();
}

void JsonShape::collect_json_columns(const std::string& path, std::vector<std::string>& paths) const {
  if (type() == ColumnType::kJson) paths.push_back(path);
  if (type() == ColumnType::kList) item_->collect_json_columns(path + "[]", paths);
  if (type() != ColumnType::kStruct) return;
  for (const Member& member : members_) {
    member.shape.collect_json_columns(path.empty() ? member.name : path + "." + member.name, paths);
  }
}

std::vector<std::string> JsonShape::json_columns() const {
  std::vector<std::string> paths;
  collect_json_columns("", paths);
  return paths;
}

void JsonShape::append_value(element value, std::string& out) const {
  if (value.is_null()) {
    out += "null";
    return;
  }
  switch (type()) {
    case ColumnType::kJson:
      append_json_string(out, value.is_string() ? value.get_string().value_unsafe() : simdjson::minify(value));
      return;
    case ColumnType::kList: {
      out += '[';
      for (const element item : items_of(value)) {
        if (out.back() != '[') out += ',';
        item_->append_value(item, out);
      }
      out += ']';
      return;
    }
    case ColumnType::kStruct: {
      out += '{';
      size_t place = 0;
      for (const auto [name, of_member] : members_of(value)) {
        if (place > 0) out += ',';
        append_json_string(out, name);
        out += ':';
        find(name, place++)->append_value(of_member, out);
      }
      out += '}';
      return;
    }
    case ColumnType::kBool:
    case ColumnType::kInt:
    case ColumnType::kDouble:
    case ColumnType::kText:
      out += simdjson::minify(value);
      return;
  }
}

}  // namespace pelton::data
