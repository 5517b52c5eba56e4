// Answers of POST /v1/chat/completions.
#pragma once

#include <deque>
#include <vector>

#include "server/openai/answer.h"
#include "text/answer_parser.h"

namespace pelton::openai {

class ChatAnswer final : public AnswerFormat {
 public:
  // `syntax`: of each choice.
  ChatAnswer(AnswerOptions options, AnswerSyntax syntax) : options_(std::move(options)), syntax_(std::move(syntax)) {}

  void set_prompt(size_t index, std::vector<SampledToken> tokens) override;
  json::object whole(const std::vector<Choice>& choices, const Usage& usage) override;
  Events opening(size_t index) override;
  Events piece(size_t index, const Piece& piece) override;
  Events closing(size_t index, const Choice& ending) override;
  Events end(const Usage& usage) override;

 private:
  Event chunk(size_t index, json::object delta, json::value logprobs, json::value finish_reason) const;
  json::value logprobs(const std::vector<SampledToken>& tokens) const;
  json::object token(TokenId token, float logprob) const;

  json::object message(const Choice& choice, size_t& call_count) const;
  AnswerParser& parser(size_t index);

  AnswerOptions options_;
  AnswerSyntax syntax_;
  std::deque<AnswerParser> parsers_;  // of a stream, by choice
  std::vector<SampledToken> prompt_;  // with log-probabilities; empty: nobody asked
};

}  // namespace pelton::openai
