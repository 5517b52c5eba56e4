// One call of a tool, {"name": …, "arguments": {…}}, read as it is written: its name as soon as it is known, its
// arguments as they come.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pelton {

class CallScanner {
 public:
  enum class State { kOpen, kComplete, kBroken };

  // Takes what belongs to the object, and gives how many bytes that were: all of `text` while it is open.
  size_t push(std::string_view text);

  State state() const { return state_; }
  // Once known: after "name" (or "function", as some models write).
  const std::optional<std::string>& name() const { return name_; }
  // What came of the arguments since the last call, as JSON; arguments that were written as a string of JSON are given
  // as what that string holds, when it ends. Empty before the name is known.
  std::string take_arguments();
  bool has_arguments() const { return has_arguments_; }

 private:
  enum class Place { kBegin, kBeforeKey, kKey, kAfterKey, kBeforeValue, kValue, kAfterValue };

  void take(char byte);
  void begin_value(char byte);
  void take_in_value(char byte);
  void end_value();
  void fail() { state_ = State::kBroken; }

  State state_ = State::kOpen;
  Place place_ = Place::kBegin;
  std::string key_;
  std::string value_;  // that is read, unless it streams
  std::string arguments_;
  std::optional<std::string> name_;
  bool has_arguments_ = false;
  // Of the value that is read:
  bool is_arguments_ = false;
  bool has_begun_ = false;
  bool streams_ = false;  // an object: its text goes to arguments_ as it comes
  bool in_string_ = false;
  bool is_escaped_ = false;
  size_t depth_ = 0;  // of its brackets
};

}  // namespace pelton
