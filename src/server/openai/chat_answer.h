// Answers of POST /v1/chat/completions.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "server/openai/answer.h"
#include "text/answer_parser.h"

namespace pelton::openai {

class ChatAnswer final : public AnswerFormat {
 public:
  // `syntax`: of each choice.
  ChatAnswer(AnswerOptions options, AnswerSyntax syntax) : options_(std::move(options)), syntax_(std::move(syntax)) {}

  json::object whole(const std::vector<Choice>& choices, const Usage& usage) override;
  std::optional<json::object> opening(size_t index) override;
  std::optional<json::object> piece(size_t index, const Piece& piece) override;
  std::optional<json::object> remainder(size_t index) override;
  json::object closing(size_t index, FinishReason reason) override;
  json::object usage_chunk(const Usage& usage) override;

 private:
  json::object chunk(size_t index, json::object delta, json::value logprobs, json::value finish_reason) const;
  json::value logprobs(const std::vector<SampledToken>& tokens) const;
  json::object token(TokenId token, float logprob) const;

  json::object message(const Choice& choice, size_t& call_count) const;
  AnswerParser& parser(size_t index);

  AnswerOptions options_;
  AnswerSyntax syntax_;
  std::deque<AnswerParser> parsers_;  // of a stream, by choice
};

}  // namespace pelton::openai
