#include "text/call_scanner.h"

#include <utility>

#include "base/json.h"

namespace pelton {
namespace {

// Of a name or of a value that says nothing to us: what is longer was made to break things.
constexpr size_t kOtherBytesMax = size_t{64} << 10;
constexpr size_t kDepthMax = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::optional<std::string> decoded_string(const std::string& text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

}  // namespace

size_t CallScanner::push(std::string_view text) {
  size_t taken = 0;
  while (taken < text.size() && state_ == State::kOpen) take(text[taken++]);
  return taken;
}

std::string CallScanner::take_arguments() {
  if (!name_) return {};
  return std::exchange(arguments_, {});
}

void CallScanner::take(char byte) {
  if (place_ == Place::kValue) return take_in_value(byte);
  if (place_ == Place::kKey) {
    key_ += byte;
    if (key_.size() > kOtherBytesMax) return fail();
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (byte == '\\') {
      is_escaped_ = true;
    } else if (byte == '"') {
      place_ = Place::kAfterKey;
    }
    return;
  }
  if (is_space(byte)) return;
  switch (place_) {
    case Place::kBegin:
      if (byte != '{') return fail();
      place_ = Place::kBeforeKey;
      return;
    case Place::kBeforeKey:
      if (byte == '}') {
        state_ = name_ ? State::kComplete : State::kBroken;
      } else if (byte == '"') {
        key_ = byte;
        place_ = Place::kKey;
      } else {
        fail();
      }
      return;
    case Place::kAfterKey:
      if (byte != ':') return fail();
      place_ = Place::kBeforeValue;
      return;
    case Place::kBeforeValue:
      return begin_value(byte);
    case Place::kAfterValue:
      if (byte == ',') {
        place_ = Place::kBeforeKey;
      } else if (byte == '}') {
        state_ = name_ ? State::kComplete : State::kBroken;
      } else {
        fail();
      }
      return;
    case Place::kKey:
    case Place::kValue:
      return;
  }
}

void CallScanner::begin_value(char byte) {
  const std::string key = decoded_string(key_).value_or("");
  is_arguments_ = (key == "arguments" || key == "parameters") && !has_arguments_;
  has_arguments_ = has_arguments_ || is_arguments_;
  value_.clear();
  has_begun_ = streams_ = false;
  depth_ = 0;
  in_string_ = false;
  place_ = Place::kValue;
  take_in_value(byte);
}

void CallScanner::take_in_value(char byte) {
  // Strings and brackets end where they close: this is a number, true, false or null.
  const bool is_bare = has_begun_ && depth_ == 0 && !in_string_;
  if (is_bare && (byte == ',' || byte == '}' || is_space(byte))) {
    end_value();
    if (state_ == State::kOpen) take(byte);
    return;
  }
  if (!has_begun_) streams_ = is_arguments_ && byte == '{';
  has_begun_ = true;
  (streams_ ? arguments_ : value_) += byte;
  if (value_.size() > kOtherBytesMax) return fail();
  if (in_string_) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (byte == '\\') {
      is_escaped_ = true;
    } else if (byte == '"') {
      in_string_ = false;
      if (depth_ == 0) end_value();
    }
    return;
  }
  if (byte == '"') {
    in_string_ = true;
  } else if (byte == '{' || byte == '[') {
    if (++depth_ > kDepthMax) fail();
  } else if (byte == '}' || byte == ']') {
    if (depth_ == 0) return fail();
    if (--depth_ == 0) end_value();
  }
}

void CallScanner::end_value() {
  place_ = Place::kAfterValue;
  if (is_arguments_) {
    if (!streams_) arguments_ += decoded_string(value_).value_or(value_);
    return;
  }
  const std::string key = decoded_string(key_).value_or("");
  if (key != "name" && key != "function") return;
  if (name_) return;
  name_ = decoded_string(value_);
  if (name_ && !name_->empty()) return;
  name_.reset();
  fail();
}

}  // namespace pelton
