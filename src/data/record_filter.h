// Conditions on records, as people type them: "score >= 0.5", "license = mit", "text ~ wheel".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/record.h"

namespace pelton::data {

// What all of several conditions hold for. A condition is NAME OP VALUE.
//   NAME: a field (also below others: meta.source), or id, text, format, line, license, url, split, words, bytes, turns
//   OP:   = != < <= > >= for numbers and text, ~ for text that holds another (upper and lower case of ASCII are the
//   same)
// A record without the field meets no condition but `!=`.
class RecordFilter {
 public:
  // Error kInvalidArgument: no condition.
  explicit RecordFilter(const std::vector<std::string>& conditions);
  bool matches(const Record& record, Arena& arena) const;

 private:
  enum class Operator : uint8_t { kEqual, kUnequal, kLess, kLessEqual, kGreater, kGreaterEqual, kContains };
  struct Condition {
    std::string name;
    Operator op;
    std::string value;
    std::optional<double> number;  // the value, if it is one
  };

  static Condition parse(std::string_view text);
  static bool holds(const Condition& condition, const FieldValue& value);

  std::vector<Condition> conditions_;
};

}  // namespace pelton::data
