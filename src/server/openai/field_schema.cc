#include "server/openai/field_schema.h"

#include <string>

#include "base/check.h"

namespace pelton::openai {
namespace {

// Beyond it a JSON number is no longer the same in every reader.
constexpr int64_t kExactMax = int64_t{1} << 53;

json::object typed(const char* type, bool is_required) {
  if (is_required) return {{"type", type}};
  return {{"type", {type, "null"}}};
}

json::object numeric(const char* type, int64_t min, int64_t max, bool is_required) {
  json::object schema = typed(type, is_required);
  if (min > -kExactMax) schema["minimum"] = min;
  if (max < kExactMax) schema["maximum"] = max;
  return schema;
}

}  // namespace

json::object schema_of(FieldKind kind, int64_t min, int64_t max, std::string_view schema, bool is_required) {
  switch (kind) {
    case FieldKind::kBoolean:
      return typed("boolean", is_required);
    case FieldKind::kInteger:
      return numeric("integer", min, max, is_required);
    case FieldKind::kNumber:
      return numeric("number", min, max, is_required);
    case FieldKind::kString:
      return typed("string", is_required);
    case FieldKind::kIgnored:
      return {{"description", "Has no effect here."}};
    case FieldKind::kOther:
    case FieldKind::kNeutralOnly:
      return parse_json(schema, "a field's schema").as_object();
  }
  PELTON_UNREACHABLE();
}

}  // namespace pelton::openai
