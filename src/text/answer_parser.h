// Tells the parts of an answer apart as it comes: reasoning, content, calls of tools. However the text is cut into
// pieces, the parts are the same, and nothing is shown that may turn out to belong to a marker.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer_delta.h"
#include "text/call_scanner.h"
#include "text/harmony_parser.h"
#include "text/tool_form.h"

namespace pelton {

// <think>…</think>, as nearly all models write it that reason.
struct ReasoningMarkers {
  static constexpr std::string_view kBegin = "<think>";
  static constexpr std::string_view kEnd = "</think>";
};

struct AnswerSyntax {
  bool is_harmony = false;              // gpt-oss's, whose channels tell all; the text keeps its special tokens
  bool has_reasoning = false;           // the answer may begin with it
  bool begins_in_reasoning = false;     // the prompt ended with its begin
  std::optional<ToolForm> tools;        // none: what looks like a call is content
  std::vector<std::string> tool_names;  // a bare object is a call only of one of these
};

// Of an answer to a chat that the template wrote so: whether it reasons. No tools.
AnswerSyntax reasoning_syntax(std::string_view template_source, std::string_view rendered);

// Finds a marker in a text that comes in pieces.
class MarkerFinder {
 public:
  explicit MarkerFinder(std::string_view marker) : marker_(marker) {}
  struct Found {
    std::string before;  // may be shown
    bool is_found = false;
    std::string after;
  };
  Found push(std::string_view text);
  // What was held back.
  std::string finish();

 private:
  std::string_view marker_;
  std::string held_;
};

class AnswerParser {
 public:
  explicit AnswerParser(AnswerSyntax syntax);

  AnswerDelta push(std::string_view text);
  // At the end of the answer: what was held back.
  AnswerDelta finish();
  size_t call_count() const { return harmony_ ? harmony_->call_count() : call_count_; }

 private:
  enum class Stage { kBeforeReasoning, kReasoning, kRest };
  enum class Mode { kStart, kPlain, kText, kBetween, kCall };

  void push_rest(std::string_view text, AnswerDelta& delta);
  size_t push_start(std::string_view text, AnswerDelta& delta);
  size_t push_text(std::string_view text, AnswerDelta& delta);
  size_t push_between(std::string_view text, AnswerDelta& delta);
  size_t push_call(std::string_view text, AnswerDelta& delta);
  void begin_call();
  void report_call(AnswerDelta& delta);
  // What looked like calls is content, and so is the rest.
  void give_up(AnswerDelta& delta);
  void add_content(std::string_view text, AnswerDelta& delta);
  bool is_bare() const { return syntax_.tools == ToolForm::kLlama3 || syntax_.tools == ToolForm::kJson; }

  AnswerSyntax syntax_;
  std::optional<HarmonyParser> harmony_;  // does it all
  Stage stage_;
  Mode mode_;
  MarkerFinder reasoning_end_{ReasoningMarkers::kEnd};
  MarkerFinder call_begin_;
  std::string held_;          // before it is known what it is
  bool skips_space_ = false;  // before the next text that is shown
  std::string closing_;       // the part of </tool_call> that came
  CallScanner scanner_;
  bool is_announced_ = false;  // the call that is read
  size_t call_count_ = 0;
};

}  // namespace pelton
