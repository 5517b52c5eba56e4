// JSON of the world (requests, configuration files): parsed under limits, read field by field, never trusted.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace pelton {

namespace json = boost::json;

struct JsonLimits {
  size_t depth_max = 64;
  size_t bytes_max = size_t{64} << 20;
};

// Error kInvalidArgument with `what`, line, column and reason: broken JSON, invalid UTF-8, a duplicate key, too deep,
// too large.
json::value parse_json(std::string_view text, std::string_view what, const JsonLimits& limits = {});

// Reads an object's fields by name and type, so that one rule holds everywhere: a wrong type, a number out of its
// domain and a field that nobody asked for are errors (kInvalidArgument, `parameter` = the field's path).
// `null` reads as absent. Keeps a reference to the object.
class JsonReader {
 public:
  JsonReader(const json::object& object, std::string path) : object_(object), path_(std::move(path)) {}
  // Error kInvalidArgument: the value is no object.
  static JsonReader of(const json::value& value, std::string path);

  std::optional<bool> boolean(std::string_view name) const;
  std::optional<int64_t> integer(std::string_view name, int64_t min, int64_t max) const;
  std::optional<double> number(std::string_view name, double min, double max) const;
  std::optional<std::string> string(std::string_view name) const;
  const json::array* array(std::string_view name) const;    // null: absent
  const json::object* object(std::string_view name) const;  // null: absent
  const json::value* value(std::string_view name) const;    // null: absent or JSON null

  // Error kInvalidArgument: names the first field that is not in `names`.
  void refuse_others(std::initializer_list<std::string_view> names) const;
  // "messages[3].content": how errors name a field.
  std::string path_of(std::string_view name) const;
  [[noreturn]] void fail(std::string_view name, std::string_view expected) const;

 private:
  const json::object& object_;
  std::string path_;
};

}  // namespace pelton
