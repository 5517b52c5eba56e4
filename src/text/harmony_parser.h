// Answers in gpt-oss's form ("harmony"): messages on channels, each with a header of special tokens.
//
//   <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json
//   <|message|>{…}<|call|>, or <|channel|>final<|message|>…<|return|>
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/answer_delta.h"

namespace pelton {

// Of a text that keeps its special tokens, from behind <|start|>assistant on.
class HarmonyParser {
 public:
  void push(std::string_view text, AnswerDelta& delta);
  void finish(AnswerDelta& delta);
  size_t call_count() const { return call_count_; }

 private:
  enum class Part { kHeader, kReasoning, kContent, kCall, kIgnored };

  void take_marker(std::string_view marker, AnswerDelta& delta);
  void take_text(std::string_view text, AnswerDelta& delta);
  void begin_body(AnswerDelta& delta);

  std::string held_;    // may become a marker
  std::string header_;  // of the message that begins
  Part part_ = Part::kHeader;
  bool has_begun_ = false;  // a message
  size_t call_count_ = 0;
};

}  // namespace pelton
