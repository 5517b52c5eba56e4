#include "engine/reasoning.h"

#include <algorithm>

#include "base/error.h"

namespace pelton {

std::optional<ReasoningOptions> reasoning_options(const AnswerSyntax& syntax, const Tokenizer& tokenizer,
                                                  bool has_grammar, std::optional<int64_t> token_count_max) {
  if (syntax.is_harmony) {
    if (!has_grammar && !token_count_max) return std::nullopt;
    const std::string end = "<|channel|>final<|message|>";
    // Not before the header of the first message is whole.
    constexpr int64_t kHeaderTokens = 3;
    if (token_count_max) token_count_max = std::max(*token_count_max, kHeaderTokens);
    return ReasoningOptions{
        .begin = {},
        .end = end,
        .closing = tokenizer.encode("<|end|><|start|>assistant" + end, {.parse_special = true, .add_special = false}),
        .token_count_max = token_count_max};
  }
  if (token_count_max && !syntax.has_reasoning) {
    throw Error(ErrorCode::kUnsupported, "reasoning_budget: the chat template of this model knows no <think>",
                "reasoning_budget");
  }
  const bool may_reason = syntax.begins_in_reasoning || (syntax.has_reasoning && !has_grammar);
  if (!may_reason || (!has_grammar && !token_count_max)) return std::nullopt;
  const std::string end(ReasoningMarkers::kEnd);
  return ReasoningOptions{
      .begin = syntax.begins_in_reasoning ? std::string() : std::string(ReasoningMarkers::kBegin),
      .end = end,
      .closing = tokenizer.encode("\n" + end + "\n\n", {.parse_special = true, .add_special = false}),
      .token_count_max = token_count_max};
}

TokenId Reasoning::choose(TokenId sampled, bool ends_answer) {
  if (!is_open()) return sampled;
  const bool is_used_up = options_.token_count_max && token_count_ >= *options_.token_count_max;
  if (!is_used_up && !ends_answer && !is_closing()) return sampled;
  return options_.closing[closed_count_++];
}

void Reasoning::push(std::string_view bytes) {
  if (state_ == State::kOver) return;
  tail_ += bytes;
  if (state_ == State::kBefore) return look_for_begin();
  ++token_count_;
  // The model's own end, or ours: all of `closing` is said even where its last tokens are white space.
  const bool has_ended =
      is_closing() ? closed_count_ == options_.closing.size() : tail_.find(options_.end) != std::string::npos;
  if (has_ended) state_ = State::kOver;
  if (tail_.size() > options_.end.size()) tail_.erase(0, tail_.size() - options_.end.size());
}

void Reasoning::look_for_begin() {
  tail_.erase(0, std::min(tail_.find_first_not_of(" \t\r\n"), tail_.size()));
  if (tail_.starts_with(options_.begin)) {
    state_ = State::kOpen;
    tail_.erase(0, options_.begin.size());
  } else if (!options_.begin.starts_with(tail_)) {
    state_ = State::kOver;
  }
}

}  // namespace pelton
