// "name=value", as flags, overrides of recipes and steps' options have it.
#pragma once

#include <optional>
#include <string_view>

namespace pelton {

// Views into the text; either may be empty.
struct NameValue {
  std::string_view name;
  std::string_view value;
};

// Where names may hold the sign, as paths and addresses do, the last one divides.
enum class DivideAt { kFirst, kLast };

// None: there is no "=".
inline std::optional<NameValue> split_name_value(std::string_view text, DivideAt at = DivideAt::kFirst) {
  const size_t equals = at == DivideAt::kFirst ? text.find('=') : text.rfind('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return NameValue{text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace pelton
