// Request fields as a table: one line a field, from which the parser and the description of the API
// (openai/field_schema.h) read.
//
// A field is read into a member, accepted without effect, or accepted only with the value that changes nothing. What is
// in no table is refused by its name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace pelton::openai {

enum class FieldKind { kBoolean, kInteger, kNumber, kString, kOther, kIgnored, kNeutralOnly };

template <class Request>
struct Field {
  std::string_view name;
  FieldKind kind;
  int64_t min = 0;
  int64_t max = 0;
  std::string_view schema;  // JSON schema of what is of no plain kind
  void (*read)(const JsonReader& reader, const Field& field, Request& request);
};

template <class Request, class Value>
Request request_of(Value Request::*);
template <auto kMember>
using RequestOf = decltype(request_of(kMember));

// kMember is an optional<bool>, bool, optional<double>, … of the request; an absent field leaves it as it is.
template <auto kMember>
constexpr Field<RequestOf<kMember>> boolean(std::string_view name) {
  return {name, FieldKind::kBoolean, 0, 0, {}, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.boolean(field.name)) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> integer(std::string_view name, int64_t min, int64_t max) {
  return {name, FieldKind::kInteger, min, max, {}, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.integer(field.name, field.min, field.max)) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> number(std::string_view name, int64_t min, int64_t max) {
  return {name, FieldKind::kNumber, min, max, {}, [](const JsonReader& reader, const auto& field, auto& request) {
            const auto value =
                reader.number(field.name, static_cast<double>(field.min), static_cast<double>(field.max));
            if (value) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> string(std::string_view name) {
  return {name, FieldKind::kString, 0, 0, {}, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.string(field.name)) request.*kMember = *value;
          }};
}

// A form of its own: `read(reader, name, request)`; `schema` is what it takes, as a JSON schema (that can't say all).
template <class Request, void (*kRead)(const JsonReader&, std::string_view, Request&)>
constexpr Field<Request> other(std::string_view name, std::string_view schema) {
  return {name,
          FieldKind::kOther,
          0,
          0,
          schema,
          [](const JsonReader& reader, const Field<Request>& field, Request& request) {
            kRead(reader, field.name, request);
          }};
}

// Says something to OpenAI's service that has no meaning here; leaving it out changes no answer.
template <class Request>
constexpr Field<Request> ignored(std::string_view name) {
  return {name, FieldKind::kIgnored, 0, 0, {}, [](const JsonReader&, const Field<Request>&, Request&) {}};
}

// A value that asks for nothing: which one, in words for the client and as a JSON schema, and how it is known.
struct Neutral {
  std::string_view name;
  std::string_view schema;
  bool (*is)(const json::value&);
};

// Not supported, unless the value is `kNeutral`.
template <class Request, const Neutral& kNeutral>
constexpr Field<Request> neutral_only(std::string_view name) {
  return {name,
          FieldKind::kNeutralOnly,
          0,
          0,
          kNeutral.schema,
          [](const JsonReader& reader, const Field<Request>& field, Request&) {
            const json::value* value = reader.value(field.name);
            if (value == nullptr || kNeutral.is(*value)) return;
            const std::string path = reader.path_of(field.name);
            throw Error(ErrorCode::kUnsupported,
                        path + ": this value is not supported, only " + std::string(kNeutral.name), path);
          }};
}

inline constexpr Neutral kAbsent{"null, or leaving the field out", R"({"type": "null"})",
                                 [](const json::value&) { return false; }};
inline constexpr Neutral kFalse{"false", R"({"enum": [false, null]})",
                                [](const json::value& value) { return value == false; }};
inline constexpr Neutral kEmptyArray{"[]", R"({"type": ["array", "null"], "maxItems": 0})",
                                     [](const json::value& value) { return value == json::array(); }};
inline constexpr Neutral kEmptyObject{"{}", R"({"type": ["object", "null"], "maxProperties": 0})",
                                      [](const json::value& value) { return value == json::object(); }};
inline constexpr Neutral kEmptyString{"\"\"", R"({"enum": ["", null]})",
                                      [](const json::value& value) { return value == ""; }};
inline constexpr Neutral kNone{"\"none\"", R"({"enum": ["none", null]})",
                               [](const json::value& value) { return value == "none"; }};

template <class Request>
void read_fields(const JsonReader& reader, std::span<const Field<Request>> fields, Request& request) {
  for (const Field<Request>& field : fields) field.read(reader, field, request);
}

template <class Request>
bool has_field(std::span<const Field<Request>> fields, std::string_view name) {
  for (const Field<Request>& field : fields) {
    if (field.name == name) return true;
  }
  return false;
}

// Error kInvalidArgument: a member of the body that is in none of the tables, by its name.
template <class... Requests>
void refuse_unknown(const json::object& body, std::span<const Field<Requests>>... tables) {
  for (const auto& member : body) {
    const std::string name(member.key());
    if (!(has_field(tables, name) || ...)) throw Error(ErrorCode::kInvalidArgument, name + ": unknown field", name);
  }
}

// A body whose fields all stand in one table. Errors: those of the fields, and kInvalidArgument for one that is in
// none.
template <class Request>
Request parse_request(std::string_view body, std::span<const Field<Request>> fields) {
  const json::value parsed = parse_json(body, "body");
  const JsonReader reader = JsonReader::of(parsed, "");
  refuse_unknown(parsed.get_object(), fields);
  Request request;
  read_fields(reader, fields, request);
  return request;
}

}  // namespace pelton::openai
