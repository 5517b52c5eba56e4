#include "text/gbnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/lark_string.h"
#include "text/utf8.h"

namespace pelton {
namespace {

constexpr int kDepthMax = 64;

// A rule's right side as Lark, but for the names of the rules in it: those are numbers, each after a kReferenceMark.
constexpr char kReferenceMark = '\x01';

struct Rule {
  std::string lark;
  std::set<size_t> references;
  size_t line = 0;  // 0: referred to, and not yet defined
  size_t first_use = 0;
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  void run() {
    skip_space(/*newlines=*/true);
    while (position_ < text_.size()) {
      parse_rule();
      skip_space(true);
    }
    for (const auto& [name, index] : names_) {
      if (rules_[index].line == 0) fail_at(rules_[index].first_use, fmt::format("there is no rule \"{}\"", name));
    }
    if (!names_.contains("root")) fail("there is no rule \"root\"");
  }

  const std::vector<Rule>& rules() const { return rules_; }
  size_t root() const { return names_.at("root"); }

 private:
  [[noreturn]] static void fail_at(size_t line, const std::string& problem) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("the GBNF grammar, line {}: {}", line, problem));
  }
  [[noreturn]] void fail(const std::string& problem) const { fail_at(line_, problem); }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  char next() {
    if (position_ == text_.size()) fail("it ends too soon");
    if (text_[position_] == '\n') ++line_;
    return text_[position_++];
  }
  bool take(std::string_view token) {
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  void skip_space(bool newlines) {
    while (position_ < text_.size()) {
      const char c = peek();
      if (c == '#') {
        while (position_ < text_.size() && peek() != '\n') ++position_;
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        next();
      } else {
        return;
      }
    }
  }

  std::string word() {
    const size_t begin = position_;
    while (is_word(peek())) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  size_t index_of_rule(const std::string& name) {
    const auto [entry, is_new] = names_.emplace(name, rules_.size());
    if (is_new) rules_.emplace_back().first_use = line_;
    return entry->second;
  }

  void parse_rule() {
    const std::string name = word();
    if (name.empty()) fail(fmt::format("expected a rule's name, got \"{}\"", peek()));
    const size_t index = index_of_rule(name);
    if (rules_[index].line != 0) fail(fmt::format("the rule \"{}\" is there twice", name));
    rules_[index].line = line_;
    skip_space(false);
    if (!take("::=")) fail(fmt::format("expected ::= after \"{}\"", name));
    skip_space(true);
    references_.clear();
    std::string lark = parse_alternatives(0);
    rules_[index].lark = std::move(lark);
    rules_[index].references = references_;
    skip_space(false);
    if (position_ < text_.size() && peek() != '\n' && peek() != '\r') fail(fmt::format("unexpected \"{}\"", peek()));
  }

  std::string parse_alternatives(int depth) {
    if (depth > kDepthMax) fail("groups are nested too deep");
    std::string lark;
    bool is_optional = false;
    do {
      skip_space(true);
      const std::string sequence = parse_sequence(depth);
      if (sequence.empty()) {
        is_optional = true;
      } else {
        lark += (lark.empty() ? "" : " | ") + sequence;
      }
    } while (take_bar());
    if (lark.empty()) return R"("")";
    return is_optional ? "(" + lark + ")?" : lark;
  }

  // Over the ends of lines: no rule begins so.
  bool take_bar() {
    const size_t position = position_, line = line_;
    skip_space(true);
    if (take("|")) return true;
    position_ = position;
    line_ = line;
    return false;
  }

  std::string parse_sequence(int depth) {
    std::string lark;
    while (true) {
      std::optional<std::string> element = parse_element(depth);
      if (!element) return lark;
      skip_space(/*newlines=*/depth > 0);
      for (std::string repetition = parse_repetition(); !repetition.empty(); repetition = parse_repetition()) {
        element = "(" + *element + repetition + ")";
        skip_space(depth > 0);
      }
      lark += (lark.empty() ? "" : " ") + *element;
    }
  }

  std::optional<std::string> parse_element(int depth) {
    const char c = peek();
    if (c == '"') return parse_literal();
    if (c == '[') return parse_class();
    if (take(".")) return "/(?s:.)/";
    if (take("(")) {
      const std::string group = "(" + parse_alternatives(depth + 1) + ")";
      skip_space(true);
      if (!take(")")) fail("a ( has no )");
      return group;
    }
    if (c == '<' || c == '!') {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("the GBNF grammar, line {}: elements that name tokens are not supported", line_));
    }
    if (!is_word(c)) return std::nullopt;
    const size_t index = index_of_rule(word());
    references_.insert(index);
    return fmt::format("{}{} ", kReferenceMark, index);
  }

  // Of the element before; empty where there is none.
  std::string parse_repetition() {
    if (take("*")) return "*";
    if (take("+")) return "+";
    if (take("?")) return "?";
    if (!take("{")) return "";
    const std::string from = digits();
    std::string to = from;
    if (from.empty()) fail("expected a number after {");
    if (take(",")) to = digits();
    if (!take("}")) fail("a { has no }");
    return fmt::format("{{{},{}}}", from, to);
  }

  std::string digits() {
    const size_t begin = position_;
    while (peek() >= '0' && peek() <= '9') ++position_;
    if (position_ - begin > 6) fail("a repetition is too large");
    return std::string(text_.substr(begin, position_ - begin));
  }

  std::string parse_literal() {
    ++position_;
    std::string lark;
    while (peek() != '"') {
      std::string character;
      append_utf8(character, next_character());
      lark += (lark.empty() ? "" : " ") + lark_string(character);
    }
    ++position_;
    return lark.empty() ? R"("")" : "(" + lark + ")";
  }

  std::string parse_class() {
    ++position_;
    std::string regex = take("^") ? "[^" : "[";
    const size_t prefix_size = regex.size();
    while (peek() != ']') {
      const char32_t first = next_character();
      char32_t last = first;
      if (peek() == '-' && position_ + 1 < text_.size() && text_[position_ + 1] != ']') {
        ++position_;
        last = next_character();
      }
      if (last < first) fail("a range of characters ends before it begins");
      regex += fmt::format("\\u{{{:x}}}-\\u{{{:x}}}", static_cast<uint32_t>(first), static_cast<uint32_t>(last));
    }
    ++position_;
    if (regex.size() == prefix_size) fail("a class without characters");
    return "/" + regex + "]/";
  }

  char32_t next_character() {
    if (peek() != '\\') {
      const size_t begin = position_;
      next();
      while (position_ < text_.size() && (static_cast<unsigned char>(text_[position_]) & 0xC0) == 0x80) ++position_;
      return code_point_of(text_.substr(begin, position_ - begin));
    }
    ++position_;
    switch (const char c = next()) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<unsigned char>(c);
      default:
        fail(fmt::format("unknown escape \"\\{}\"", c));
    }
  }

  char32_t hexadecimal(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const char c = next();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("expected a hexadecimal digit");
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail("an escape is no character");
    return value;
  }

  std::string_view text_;
  size_t position_ = 0;
  size_t line_ = 1;
  std::vector<Rule> rules_;
  std::map<std::string, size_t> names_;
  std::set<size_t> references_;  // of the rule that is being read
};

// Whether the rule leads to one that leads to itself.
bool is_recursive(const std::vector<Rule>& rules, size_t root) {
  // What refers to nothing unsettled is settled, leaf by leaf; what never is leads in a circle.
  std::vector<bool> is_settled(rules.size(), false);
  std::vector<size_t> open_counts(rules.size());
  std::vector<std::vector<size_t>> users(rules.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < rules.size(); ++i) {
    open_counts[i] = rules[i].references.size();
    for (const size_t used : rules[i].references) users[used].push_back(i);
    if (open_counts[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t rule = ready.back();
    ready.pop_back();
    is_settled[rule] = true;
    for (const size_t user : users[rule]) {
      if (--open_counts[user] == 0) ready.push_back(user);
    }
  }
  return !is_settled[root];
}

}  // namespace

std::string gbnf_to_lark(std::string_view gbnf) {
  if (const std::optional<size_t> bad = find_invalid_utf8(gbnf)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("the GBNF grammar: not valid UTF-8 at byte {}", *bad));
  }
  Parser parser(gbnf);
  parser.run();
  const std::vector<Rule>& rules = parser.rules();
  // Lark's terminals have names in capitals.
  const std::string_view prefix = is_recursive(rules, parser.root()) ? "rule_" : "TERMINAL_";
  std::string lark = fmt::format("start: {}{}\n", prefix, parser.root());
  for (size_t i = 0; i < rules.size(); ++i) {
    lark += fmt::format("{}{}: ", prefix, i);
    std::string_view rest = rules[i].lark;
    for (size_t mark = rest.find(kReferenceMark); mark != std::string_view::npos; mark = rest.find(kReferenceMark)) {
      lark += rest.substr(0, mark);
      const size_t end = rest.find(' ', mark);
      lark += prefix;
      lark += rest.substr(mark + 1, end - mark - 1);
      rest.remove_prefix(end + 1);
    }
    lark += rest;
    lark += '\n';
  }
  return lark;
}

}  // namespace pelton
