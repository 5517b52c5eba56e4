// A field's value as a name: of a group, of a row.
#pragma once

#include <fmt/format.h>

#include <string>

#include "data/record.h"

namespace pelton::data {

// "3.5", "true", a string itself; null is empty.
inline std::string field_text(const Field& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) return std::string(*text);
  if (const auto* flag = std::get_if<bool>(&field.value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&field.value)) return fmt::format("{}", *number);
  return "";
}

}  // namespace pelton::data
