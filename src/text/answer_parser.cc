#include "text/answer_parser.h"

#include <algorithm>
#include <utility>

namespace pelton {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kHermesBegin = "<tool_call>";
constexpr std::string_view kHermesEnd = "</tool_call>";
constexpr std::string_view kMistralBegin = "[TOOL_CALLS]";

bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }

}  // namespace

AnswerSyntax reasoning_syntax(std::string_view template_source, std::string_view rendered) {
  AnswerSyntax syntax;
  syntax.is_harmony = template_source.find("<|channel|>") != std::string_view::npos;
  syntax.has_reasoning = template_source.find(ReasoningMarkers::kEnd) != std::string_view::npos;
  const size_t last = rendered.find_last_not_of(kSpaces);
  syntax.begins_in_reasoning = syntax.has_reasoning && last != std::string_view::npos &&
                               rendered.substr(0, last + 1).ends_with(ReasoningMarkers::kBegin);
  return syntax;
}

MarkerFinder::Found MarkerFinder::push(std::string_view text) {
  held_ += text;
  Found found;
  if (const size_t position = held_.find(marker_); position != std::string::npos) {
    found.is_found = true;
    found.before = held_.substr(0, position);
    found.after = held_.substr(position + marker_.size());
    held_.clear();
    return found;
  }
  size_t kept = std::min(held_.size(), marker_.size() - 1);
  while (!marker_.starts_with(std::string_view(held_).substr(held_.size() - kept))) --kept;
  found.before = held_.substr(0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return found;
}

std::string MarkerFinder::finish() { return std::exchange(held_, {}); }

AnswerParser::AnswerParser(AnswerSyntax syntax)
    : syntax_(std::move(syntax)),
      harmony_(syntax_.is_harmony ? std::optional<HarmonyParser>(std::in_place) : std::nullopt),
      stage_(syntax_.begins_in_reasoning ? Stage::kReasoning
             : syntax_.has_reasoning     ? Stage::kBeforeReasoning
                                         : Stage::kRest),
      mode_(!syntax_.tools ? Mode::kPlain
            : is_bare()    ? Mode::kStart
                           : Mode::kText),
      call_begin_(syntax_.tools == ToolForm::kMistral ? kMistralBegin : kHermesBegin),
      skips_space_(syntax_.begins_in_reasoning) {}

AnswerDelta AnswerParser::push(std::string_view text) {
  AnswerDelta delta;
  if (harmony_) {
    harmony_->push(text, delta);
    return delta;
  }
  std::string rest(text);
  if (stage_ == Stage::kBeforeReasoning) {
    held_ += std::exchange(rest, {});
    const std::string_view begun =
        std::string_view(held_).substr(std::min(held_.find_first_not_of(kSpaces), held_.size()));
    if (begun.starts_with(ReasoningMarkers::kBegin)) {
      stage_ = Stage::kReasoning;
      skips_space_ = true;
      rest = begun.substr(ReasoningMarkers::kBegin.size());
      held_.clear();
    } else if (!ReasoningMarkers::kBegin.starts_with(begun)) {
      stage_ = Stage::kRest;
      rest = std::exchange(held_, {});
    }
  }
  if (stage_ == Stage::kReasoning) {
    MarkerFinder::Found found = reasoning_end_.push(rest);
    if (skips_space_) {
      const size_t begin = std::min(found.before.find_first_not_of(kSpaces), found.before.size());
      found.before.erase(0, begin);
      skips_space_ = found.before.empty();
    }
    delta.reasoning = std::move(found.before);
    if (!found.is_found) return delta;
    stage_ = Stage::kRest;
    skips_space_ = true;
    rest = std::move(found.after);
  }
  if (stage_ == Stage::kRest) push_rest(rest, delta);
  return delta;
}

AnswerDelta AnswerParser::finish() {
  AnswerDelta delta;
  if (harmony_) {
    harmony_->finish(delta);
    return delta;
  }
  if (stage_ == Stage::kReasoning) {
    delta.reasoning = reasoning_end_.finish();
    return delta;
  }
  if (mode_ == Mode::kText) add_content(call_begin_.finish(), delta);
  const bool is_open = mode_ == Mode::kCall && !is_announced_;
  if (stage_ == Stage::kBeforeReasoning || mode_ == Mode::kStart || is_open)
    add_content(std::exchange(held_, {}), delta);
  if (mode_ == Mode::kBetween && call_count_ == 0) add_content(std::exchange(held_, {}), delta);
  return delta;
}

void AnswerParser::push_rest(std::string_view text, AnswerDelta& delta) {
  while (!text.empty()) {
    size_t taken = text.size();
    switch (mode_) {
      case Mode::kStart:
        taken = push_start(text, delta);
        break;
      case Mode::kPlain:
        add_content(text, delta);
        break;
      case Mode::kText:
        taken = push_text(text, delta);
        break;
      case Mode::kBetween:
        taken = push_between(text, delta);
        break;
      case Mode::kCall:
        taken = push_call(text, delta);
        break;
    }
    text.remove_prefix(taken);
  }
}

// A bare form: whether the answer begins as a call does.
size_t AnswerParser::push_start(std::string_view text, AnswerDelta& delta) {
  const char first = text.front();
  if (is_space(first)) {
    held_ += first;
    return 1;
  }
  if (first == '{') {
    begin_call();
    return 0;
  }
  if (first == '[' && syntax_.tools == ToolForm::kJson) {
    held_ += first;
    mode_ = Mode::kBetween;
    return 1;
  }
  give_up(delta);
  return 0;
}

size_t AnswerParser::push_text(std::string_view text, AnswerDelta& delta) {
  MarkerFinder::Found found = call_begin_.push(text);
  add_content(found.before, delta);
  if (!found.is_found) return text.size();
  held_ = syntax_.tools == ToolForm::kMistral ? kMistralBegin : kHermesBegin;
  mode_ = Mode::kBetween;
  return text.size() - found.after.size();
}

// Before a call, between calls, and after the last.
size_t AnswerParser::push_between(std::string_view text, AnswerDelta& delta) {
  const char first = text.front();
  const bool is_hermes = syntax_.tools == ToolForm::kHermes;
  if (is_hermes && kHermesEnd.substr(closing_.size()).starts_with(first)) {
    closing_ += first;
    if (closing_ == kHermesEnd) {
      closing_.clear();
      held_.clear();
      skips_space_ = true;
      mode_ = Mode::kText;
    }
    return 1;
  }
  const bool is_separator =
      is_space(first) || (!is_hermes && (first == ',' || first == ';' || first == '[' || first == ']'));
  if (is_separator && closing_.empty()) {
    held_ += first;
    return 1;
  }
  if (first == '{' && closing_.empty()) {
    begin_call();
    return 0;
  }
  held_ += std::exchange(closing_, {});
  give_up(delta);
  return 0;
}

size_t AnswerParser::push_call(std::string_view text, AnswerDelta& delta) {
  const size_t taken = scanner_.push(text);
  if (!is_announced_) held_ += text.substr(0, taken);
  report_call(delta);
  if (mode_ != Mode::kCall) return taken;
  if (scanner_.state() == CallScanner::State::kComplete) {
    held_.clear();
    mode_ = Mode::kBetween;
  } else if (scanner_.state() == CallScanner::State::kBroken) {
    give_up(delta);
  }
  return taken;
}

void AnswerParser::begin_call() {
  scanner_ = CallScanner();
  is_announced_ = false;
  mode_ = Mode::kCall;
}

void AnswerParser::report_call(AnswerDelta& delta) {
  if (!scanner_.name()) return;
  if (!is_announced_) {
    const auto& names = syntax_.tool_names;
    if (is_bare() && std::find(names.begin(), names.end(), *scanner_.name()) == names.end()) return give_up(delta);
    is_announced_ = true;
    held_.clear();
    delta.calls.push_back({call_count_++, scanner_.name(), ""});
  }
  std::string arguments = scanner_.take_arguments();
  if (scanner_.state() == CallScanner::State::kComplete && !scanner_.has_arguments()) arguments = "{}";
  if (arguments.empty()) return;
  if (delta.calls.empty() || delta.calls.back().index + 1 != call_count_) {
    delta.calls.push_back({call_count_ - 1, std::nullopt, ""});
  }
  delta.calls.back().arguments += arguments;
}

void AnswerParser::give_up(AnswerDelta& delta) {
  const bool has_called = call_count_ > 0 && held_.find_first_not_of(" \t\r\n,;[]") == std::string::npos;
  if (!has_called) add_content(held_, delta);
  held_.clear();
  mode_ = is_bare() ? Mode::kPlain : Mode::kText;
}

void AnswerParser::add_content(std::string_view text, AnswerDelta& delta) {
  if (skips_space_) text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  if (text.empty()) return;
  skips_space_ = false;
  delta.content += text;
}

}  // namespace pelton
