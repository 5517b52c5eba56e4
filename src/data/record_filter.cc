#include "data/record_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "base/error.h"

namespace pelton::data {
namespace {

std::string_view without_spaces(std::string_view text) { return trimmed(text, " "); }

char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte; }

bool contains(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return lower(a) == lower(b); };
  return part.empty() || std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

double count_words(const Record& record) {
  double words = 0;
  for_each_text(record, [&](std::string_view text) {
    bool was_space = true;
    for (const char byte : text) {
      const bool is_space = byte == ' ' || (byte >= '\t' && byte <= '\r');
      words += was_space && !is_space ? 1 : 0;
      was_space = is_space;
    }
  });
  return words;
}

double count_bytes(const Record& record) {
  double bytes = 0;
  for_each_text(record, [&](std::string_view text) { bytes += static_cast<double>(text.size()); });
  return bytes;
}

// monostate: there is none.
FieldValue value_of(std::string_view name, const Record& record, Arena& arena) {
  if (name == "id") return record.id;
  if (name == "text") return whole_text(record, arena);
  if (name == "format") return format_name(record.format);
  if (name == "line") return static_cast<double>(record.line_number);
  if (name == "words") return count_words(record);
  if (name == "bytes") return count_bytes(record);
  if (name == "turns") return static_cast<double>(record.messages.size() + record.chosen.size());
  if (const Field* field = find_field(record, name)) return field->value;
  std::string_view known;
  if (name == "license") known = license_of(record);
  if (name == "url") known = url_of(record);
  if (name == "split") known = split_of(record);
  return known.empty() ? FieldValue() : FieldValue(known);
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <typename T>
bool compare(const T& a, const T& b, bool wants_less, bool wants_equal) {
  return (wants_equal && a == b) || (wants_less ? a < b : b < a);
}

}  // namespace

RecordFilter::RecordFilter(const std::vector<std::string>& conditions) {
  for (const std::string& text : conditions) conditions_.push_back(parse(text));
}

RecordFilter::Condition RecordFilter::parse(std::string_view text) {
  struct Sign {
    std::string_view text;
    Operator op;
  };
  // The longer first.
  constexpr Sign kSigns[] = {{"!=", Operator::kUnequal}, {"<=", Operator::kLessEqual}, {">=", Operator::kGreaterEqual},
                             {"==", Operator::kEqual},   {"=", Operator::kEqual},      {"<", Operator::kLess},
                             {">", Operator::kGreater},  {"~", Operator::kContains}};
  const size_t at = text.find_first_of("!=<>~");
  const std::string_view name = without_spaces(text.substr(0, std::min(at, text.size())));
  for (const Sign& sign : kSigns) {
    if (at == std::string_view::npos || name.empty() || !text.substr(at).starts_with(sign.text)) continue;
    const std::string_view value = without_spaces(text.substr(at + sign.text.size()));
    return {std::string(name), sign.op, std::string(value), number_of(value)};
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}': expected NAME OP VALUE, with = != < <= > >= or ~ for OP", text));
}

bool RecordFilter::holds(const Condition& condition, const FieldValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return condition.op == Operator::kUnequal;
  if (const bool* flag = std::get_if<bool>(&value)) {
    const bool is_equal = condition.value == (*flag ? "true" : "false");
    return condition.op == Operator::kEqual ? is_equal : condition.op == Operator::kUnequal && !is_equal;
  }
  const bool wants_less = condition.op == Operator::kLess || condition.op == Operator::kLessEqual;
  const bool wants_equal = condition.op == Operator::kLessEqual || condition.op == Operator::kGreaterEqual;
  const bool is_order = wants_less || wants_equal || condition.op == Operator::kGreater;
  if (const double* number = std::get_if<double>(&value)) {
    if (!condition.number) return condition.op == Operator::kUnequal;
    if (is_order) return compare(*number, *condition.number, wants_less, wants_equal);
    return condition.op != Operator::kContains && (*number == *condition.number) == (condition.op == Operator::kEqual);
  }
  const std::string_view text = std::get<std::string_view>(value);
  if (condition.op == Operator::kContains) return contains(text, condition.value);
  if (is_order) return compare(text, std::string_view(condition.value), wants_less, wants_equal);
  return (text == condition.value) == (condition.op == Operator::kEqual);
}

bool RecordFilter::matches(const Record& record, Arena& arena) const {
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
    return holds(condition, value_of(condition.name, record, arena));
  });
}

}  // namespace pelton::data
