#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"

namespace pelton {
namespace {

// Boost.JSON keeps the last of two equal keys; a request with two `model`s is refused instead. A second, cheap pass.
class DuplicateKeyHandler {
 public:
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);
  using Code = json::error_code;

  const std::string& duplicate() const { return duplicate_; }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    keys_.emplace_back();
    return true;
  }
  bool on_object_end(size_t, Code&) {
    keys_.pop_back();
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t, Code&) { return true; }
  bool on_key_part(json::string_view part, size_t, Code&) {
    key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, Code& code) {
    key_.append(part.data(), part.size());
    if (!keys_.back().insert(key_).second) {
      duplicate_ = key_;
      code = json::error::syntax;
      return false;
    }
    key_.clear();
    return true;
  }
  bool on_string_part(json::string_view, size_t, Code&) { return true; }
  bool on_string(json::string_view, size_t, Code&) { return true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(int64_t, json::string_view, Code&) { return true; }
  bool on_uint64(uint64_t, json::string_view, Code&) { return true; }
  bool on_double(double, json::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

 private:
  std::vector<std::unordered_set<std::string>> keys_;
  std::string key_;
  std::string duplicate_;
};

[[noreturn]] void fail_at(std::string_view text, size_t position, std::string_view what, std::string_view reason) {
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: not valid JSON at line {}, column {}: {}", what, line,
                                                       before.size() - line_start + 1, reason));
}

bool is_utf8_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

json::value parse_json(std::string_view text, std::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} bytes of JSON; at most {} are accepted", what, text.size(), limits.bytes_max));
  }
  json::parse_options options;
  options.max_depth = limits.depth_max;
  json::error_code code;
  json::stream_parser parser({}, options);
  const size_t consumed = parser.write_some(text.data(), text.size(), code);
  if (!code && consumed < text.size() && text.find_first_not_of(" \t\r\n", consumed) != std::string_view::npos) {
    code = json::error::extra_data;
  }
  if (!code) parser.finish(code);
  if (code) {
    const bool too_deep = code == json::error::too_deep;
    fail_at(text, consumed, what, too_deep ? fmt::format("nested deeper than {}", limits.depth_max) : code.message());
  }
  json::basic_parser<DuplicateKeyHandler> checker(options);
  const size_t checked = checker.write_some(false, text.data(), text.size(), code);
  if (!checker.handler().duplicate().empty() || code == json::error::syntax) {
    fail_at(text, checked, what, fmt::format("the key \"{}\" appears twice", checker.handler().duplicate()));
  }
  return parser.release();
}

JsonReader JsonReader::of(const json::value& value, std::string path) {
  if (!value.is_object()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: expected an object", path.empty() ? "body" : path), path);
  }
  return JsonReader(value.get_object(), std::move(path));
}

std::string JsonReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void JsonReader::fail(std::string_view name, std::string_view expected) const {
  const json::value* found = object_.if_contains(name);
  std::string got = found == nullptr ? "nothing" : to_json_text(*found);
  if (got.size() > 60) {
    size_t shown = 57;
    while (is_utf8_continuation(got[shown])) --shown;  // a character stays whole
    got = got.substr(0, shown) + "...";
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: expected {}, got {}", path_of(name), expected, got),
              path_of(name));
}

const json::value* JsonReader::value(std::string_view name) const {
  const json::value* found = object_.if_contains(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<bool> JsonReader::boolean(std::string_view name) const {
  const json::value* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_bool()) fail(name, "true or false");
  return found->get_bool();
}

std::optional<int64_t> JsonReader::integer(std::string_view name, int64_t min, int64_t max) const {
  const json::value* found = value(name);
  if (found == nullptr) return std::nullopt;
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  // 1e3 and 5.0 are integers in JSON's own view of numbers.
  if (found->is_double() && std::floor(found->get_double()) == found->get_double() &&
      std::abs(found->get_double()) < 9.0e15) {
    const auto whole = static_cast<int64_t>(found->get_double());
    if (whole < min || whole > max) fail(name, expected);
    return whole;
  }
  if (!found->is_int64() || found->get_int64() < min || found->get_int64() > max) fail(name, expected);
  return found->get_int64();
}

std::optional<double> JsonReader::number(std::string_view name, double min, double max) const {
  const json::value* found = value(name);
  if (found == nullptr) return std::nullopt;
  const std::string expected = fmt::format("a number from {} to {}", min, max);
  if (!found->is_number()) fail(name, expected);
  const double number = found->to_number<double>();
  if (!(number >= min && number <= max)) fail(name, expected);
  return number;
}

std::optional<std::string> JsonReader::string(std::string_view name) const {
  const json::value* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) fail(name, "a string");
  return std::string(found->get_string());
}

const json::array* JsonReader::array(std::string_view name) const {
  const json::value* found = value(name);
  if (found == nullptr) return nullptr;
  if (!found->is_array()) fail(name, "an array");
  return &found->get_array();
}

const json::object* JsonReader::object(std::string_view name) const {
  const json::value* found = value(name);
  if (found == nullptr) return nullptr;
  if (!found->is_object()) fail(name, "an object");
  return &found->get_object();
}

void JsonReader::refuse_others(std::initializer_list<std::string_view> names) const {
  for (const auto& [key, unused] : object_) {
    if (std::find(names.begin(), names.end(), std::string_view(key)) != names.end()) continue;
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: unknown field", path_of(key)), path_of(key));
  }
}

}  // namespace pelton
