// Answers of POST /v1/messages: a list of blocks of thinking, text and calls of tools.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/answer.h"
#include "text/answer_parser.h"

namespace pelton::anthropic {

class MessagesAnswer final : public openai::AnswerFormat {
 public:
  struct Options {
    openai::AnswerIdentity identity;  // id: "msg_…"
    int64_t prompt_token_count = 0;
    int64_t max_tokens = 0;      // an answer that is cut off before has filled the context
    bool shows_thinking = true;  // else its blocks are empty
  };
  MessagesAnswer(Options options, AnswerSyntax syntax) : options_(std::move(options)), parser_(std::move(syntax)) {}

  json::object whole(const std::vector<openai::Choice>& choices, const openai::Usage& usage) override;
  openai::Events opening(size_t index) override;
  openai::Events piece(size_t index, const openai::Piece& piece) override;
  openai::Events closing(size_t index, const openai::Choice& ending) override;
  openai::Events end(const openai::Usage& usage) override;
  openai::Event failure(const HttpError& error) override;
  ErrorForm error_form() const override { return ErrorForm::kAnthropic; }
  bool ends_with_done() const override { return false; }

 private:
  enum class Block { kNone, kThinking, kText, kToolUse };

  json::object frame() const;
  json::object stop_fields(int64_t completion_tokens) const;
  void go_on(const AnswerDelta& delta, openai::Events& events);
  void open(Block block, json::object content, openai::Events& events);
  void add(json::object delta, openai::Events& events) const;
  void close(openai::Events& events);

  Options options_;
  AnswerParser parser_;
  Block open_ = Block::kNone;
  int64_t block_count_ = 0;
  openai::Choice ending_;
};

}  // namespace pelton::anthropic
