// How the content of a record lies in a JSON object: read into the one form of record.h, and written back.
//
// One file a format (or a few alike), one line in the list of formats.cc. simdjson's document is what a format reads;
// what it keeps of it goes into the arena, since the document is gone with the next record.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/record.h"

namespace pelton::data {

// Members that some format reads.
enum class ContentKey : uint8_t {
  kText,
  kContent,
  kMessages,
  kConversations,
  kConversation,
  kInstruction,
  kInput,
  kOutput,
  kHistory,
  kData,
  kPrompt,
  kCompletion,
  kResponse,
  kChosen,
  kRejected,
  kSystem,
  kTools
};
inline constexpr size_t kContentKeyCount = 17;
std::optional<ContentKey> content_key(std::string_view name);
std::string_view content_key_name(ContentKey key);

// The value, which must be one, by value: a range-for over simdjson's own result would go over what is gone.
inline simdjson::dom::array array_of(simdjson::dom::element value) {
  simdjson::dom::array array;
  CHECK(value.get_array().get(array) == simdjson::SUCCESS);
  return array;
}
inline simdjson::dom::object object_of(simdjson::dom::element value) {
  simdjson::dom::object object;
  CHECK(value.get_object().get(object) == simdjson::SUCCESS);
  return object;
}

// The members of one object that are content for some format. What has no member is not there.
class Content {
 public:
  void clear() { is_there_.fill(false); }
  void set(ContentKey key, simdjson::dom::element value) {
    is_there_[static_cast<size_t>(key)] = true;
    values_[static_cast<size_t>(key)] = value;
  }
  bool has(ContentKey key) const { return is_there_[static_cast<size_t>(key)]; }
  bool is_string(ContentKey key) const { return has(key) && value(key).is_string(); }
  bool is_array(ContentKey key) const { return has(key) && value(key).is_array(); }
  // has(key).
  simdjson::dom::element value(ContentKey key) const { return values_[static_cast<size_t>(key)]; }
  // is_string(key); until the next document is parsed.
  std::string_view string(ContentKey key) const { return value(key).get_string().value_unsafe(); }
  simdjson::dom::array array(ContentKey key) const { return array_of(value(key)); }

 private:
  std::array<bool, kContentKeyCount> is_there_{};
  std::array<simdjson::dom::element, kContentKeyCount> values_;
};

struct FormatType {
  Format format;
  std::string_view name;             // in recipes and reports: "sharegpt"
  std::span<const ContentKey> owns;  // the members that it reads and writes: no others are touched
  bool (*matches)(const Content& content);
  // Sets kind and content.
  Problem (*read)(const Content& content, Record& record, Arena& arena);
  // Appends members, `"messages":[…]`, with commas between them.
  Problem (*write)(const Record& record, std::string& out);
};

// In the order in which they are tried: what is said more exactly comes first.
std::span<const FormatType> format_types();
const FormatType& format_type(Format format);

}  // namespace pelton::data
