#include "base/json_text.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace pelton {
namespace {

// Outside of these, digits before or after the point would be mostly zeros.
constexpr double kPlainMin = 1e-5;
constexpr double kPlainMax = 1e17;

std::string number_text(double number) {
  if (!std::isfinite(number)) return "null";
  const double size = std::abs(number);
  const bool is_plain = number == 0 || (size >= kPlainMin && size < kPlainMax);
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number,
                                          is_plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(text, end);
}

template <typename Elements, typename Append>
void append_list(std::string& text, const Elements& elements, std::string_view brackets, Append append) {
  text += brackets[0];
  bool is_first = true;
  for (const auto& element : elements) {
    if (!is_first) text += ',';
    is_first = false;
    append(element);
  }
  text += brackets[1];
}

void append_value(std::string& text, const json::value& value) {
  if (const json::object* object = value.if_object()) {
    append_list(text, *object, "{}", [&](const json::key_value_pair& member) {
      text += json::serialize(member.key()) + ":";
      append_value(text, member.value());
    });
  } else if (const json::array* array = value.if_array()) {
    append_list(text, *array, "[]", [&](const json::value& element) { append_value(text, element); });
  } else if (const double* number = value.if_double()) {
    text += number_text(*number);
  } else {
    text += json::serialize(value);
  }
}

}  // namespace

json::array to_json(std::span<const float> values) {
  json::array array;
  array.reserve(values.size());
  for (const float value : values) {
    char text[64];
    const char* end = std::to_chars(text, text + sizeof text, value).ptr;
    double number = value;  // infinity and NaN stay
    if (std::isfinite(value)) std::from_chars(text, end, number);
    array.push_back(number);
  }
  return array;
}

std::string to_json_text(const json::value& value) {
  std::string text;
  append_value(text, value);
  return text;
}

}  // namespace pelton
