#include "io/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"

namespace pelton {
namespace {

class Converter {
 public:
  Converter(std::string_view what, const JsonLimits& limits) : what_(what), limits_(limits) {}

  json::value convert(const YAML::Node& node, size_t depth) {
    if (depth > limits_.depth_max) fail(node, fmt::format("nested deeper than {}", limits_.depth_max));
    if (node.IsMap()) return convert_map(node, depth);
    if (node.IsSequence()) return convert_sequence(node, depth);
    if (!node.IsScalar()) return nullptr;
    count(node, node.Scalar().size());
    return node.Tag() == "!" ? json::value(node.Scalar()) : plain_scalar(node.Scalar());  // "!": in quotes
  }

 private:
  json::value convert_map(const YAML::Node& node, size_t depth) {
    json::object object;
    for (const auto& item : node) {
      if (!item.first.IsScalar()) fail(item.first, "a key that is no scalar");
      const std::string& key = item.first.Scalar();
      count(node, key.size());
      if (object.contains(key)) fail(item.first, fmt::format("the key '{}' appears twice", key));
      object[key] = convert(item.second, depth + 1);
    }
    return object;
  }

  json::value convert_sequence(const YAML::Node& node, size_t depth) {
    json::array array;
    for (const auto& item : node) array.push_back(convert(item, depth + 1));
    return array;
  }

  // YAML 1.2, section 10.3.2.
  static json::value plain_scalar(const std::string& text) {
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    const char* start = text.data() + (text[0] == '+' ? 1 : 0);
    const char* end = text.data() + text.size();
    const bool begins_as_number = start != end && (*start == '-' || *start == '.' || (*start >= '0' && *start <= '9'));
    if (!begins_as_number) return json::value(text);
    int64_t integer = 0;
    if (const auto [stop, code] = std::from_chars(start, end, integer); code == std::errc() && stop == end) {
      return integer;
    }
    double number = 0;
    if (const auto [stop, code] = std::from_chars(start, end, number);
        code == std::errc() && stop == end && std::isfinite(number)) {
      return number;
    }
    return json::value(text);
  }

  // Anchors can make a small file a large value.
  void count(const YAML::Node& node, size_t bytes) {
    bytes_ += bytes + 1;
    if (bytes_ > limits_.bytes_max) fail(node, fmt::format("more than {} bytes", limits_.bytes_max));
  }

  [[noreturn]] void fail(const YAML::Node& node, std::string_view reason) const {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: line {}: {}", what_, node.Mark().line + 1, reason));
  }

  std::string_view what_;
  const JsonLimits& limits_;
  size_t bytes_ = 0;
};

}  // namespace

json::value parse_yaml(std::string_view text, std::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} bytes of YAML; at most {} are accepted", what, text.size(), limits.bytes_max));
  }
  try {
    return Converter(what, limits).convert(YAML::Load(std::string(text)), 0);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: not valid YAML at line {}: {}", what, error.mark.line + 1, error.msg));
  }
}

size_t yaml_line_of_key(std::string_view text, std::string_view key) {
  for (const auto& item : YAML::Load(std::string(text))) {
    if (item.first.IsScalar() && item.first.Scalar() == key) return static_cast<size_t>(item.first.Mark().line) + 1;
  }
  return 0;
}

}  // namespace pelton
