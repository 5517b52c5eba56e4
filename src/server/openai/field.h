// Request fields as a table: one line a field, from which the parser (and whoever wants to describe the API) reads.
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

enum class FieldKind { kBoolean, kInteger, kNumber, kString, kObject, kOther, kIgnored, kNeutralOnly };

template <class Request>
struct Field {
  std::string_view name;
  FieldKind kind;
  int64_t min = 0;
  int64_t max = 0;
  void (*read)(const JsonReader& reader, const Field& field, Request& request);
};

template <class Request, class Value>
Request request_of(Value Request::*);
template <auto kMember>
using RequestOf = decltype(request_of(kMember));

// kMember is an optional<bool>, bool, optional<double>, … of the request; an absent field leaves it as it is.
template <auto kMember>
constexpr Field<RequestOf<kMember>> boolean(std::string_view name) {
  return {name, FieldKind::kBoolean, 0, 0, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.boolean(field.name)) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> integer(std::string_view name, int64_t min, int64_t max) {
  return {name, FieldKind::kInteger, min, max, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.integer(field.name, field.min, field.max)) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> number(std::string_view name, int64_t min, int64_t max) {
  return {name, FieldKind::kNumber, min, max, [](const JsonReader& reader, const auto& field, auto& request) {
            const auto value =
                reader.number(field.name, static_cast<double>(field.min), static_cast<double>(field.max));
            if (value) request.*kMember = *value;
          }};
}

template <auto kMember>
constexpr Field<RequestOf<kMember>> string(std::string_view name) {
  return {name, FieldKind::kString, 0, 0, [](const JsonReader& reader, const auto& field, auto& request) {
            if (const auto value = reader.string(field.name)) request.*kMember = *value;
          }};
}

// A form of its own: `read(reader, name, request)`.
template <class Request, void (*kRead)(const JsonReader&, std::string_view, Request&)>
constexpr Field<Request> other(std::string_view name) {
  return {name, FieldKind::kOther, 0, 0, [](const JsonReader& reader, const Field<Request>& field, Request& request) {
            kRead(reader, field.name, request);
          }};
}

// Says something to OpenAI's service that has no meaning here; leaving it out changes no answer.
template <class Request>
constexpr Field<Request> ignored(std::string_view name) {
  return {name, FieldKind::kIgnored, 0, 0, [](const JsonReader&, const Field<Request>&, Request&) {}};
}

// Not supported, unless `kIsNeutral(value)`: the value that asks for nothing.
template <class Request, bool (*kIsNeutral)(const json::value&)>
constexpr Field<Request> neutral_only(std::string_view name) {
  return {name, FieldKind::kNeutralOnly, 0, 0, [](const JsonReader& reader, const Field<Request>& field, Request&) {
            const json::value* value = reader.value(field.name);
            if (value == nullptr || kIsNeutral(*value)) return;
            throw Error(ErrorCode::kUnsupported, reader.path_of(field.name) + ": this value is not supported",
                        reader.path_of(field.name));
          }};
}

inline bool is_never(const json::value&) { return false; }
inline bool is_false(const json::value& value) { return value.is_bool() && !value.get_bool(); }
inline bool is_one(const json::value& value) { return value.is_number() && value.to_number<double>() == 1.0; }
inline bool is_empty(const json::value& value) {
  return (value.is_array() && value.get_array().empty()) || (value.is_object() && value.get_object().empty()) ||
         (value.is_string() && value.get_string().empty());
}
inline bool is_none(const json::value& value) { return value.is_string() && value.get_string() == "none"; }

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

}  // namespace pelton::openai
