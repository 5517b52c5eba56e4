// Tables of fields as JSON schemas, for the document that describes the API (server/openapi.h).
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "base/json.h"
#include "server/openai/field.h"

namespace pelton::openai {

// `null` reads as absent, so it is allowed where the field may be left out.
json::object schema_of(FieldKind kind, int64_t min, int64_t max, std::string_view schema, bool is_required);

// Of a body whose fields stand in these tables, and which lacks none of `required`.
template <class... Requests>
json::object body_schema(std::initializer_list<std::string_view> required, std::span<const Field<Requests>>... tables) {
  json::object properties;
  const auto add = [&](const auto& table) {
    for (const auto& field : table) {
      bool is_required = false;
      for (const std::string_view name : required) is_required = is_required || name == field.name;
      properties[field.name] = schema_of(field.kind, field.min, field.max, field.schema, is_required);
    }
  };
  (add(tables), ...);
  json::object schema = {{"type", "object"}};
  schema["properties"] = std::move(properties);
  json::array names;
  for (const std::string_view name : required) names.emplace_back(json::string(name));
  if (!names.empty()) schema["required"] = std::move(names);
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace pelton::openai
