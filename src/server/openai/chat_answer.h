// Answers of POST /v1/chat/completions.
#pragma once

#include "server/openai/answer.h"

namespace pelton::openai {

class ChatAnswer final : public AnswerFormat {
 public:
  explicit ChatAnswer(AnswerOptions options) : options_(std::move(options)) {}

  json::object whole(const std::vector<Choice>& choices, const Usage& usage) override;
  std::optional<json::object> opening(size_t index) override;
  json::object piece(size_t index, const Piece& piece) override;
  json::object closing(size_t index, FinishReason reason) override;
  json::object usage_chunk(const Usage& usage) override;

 private:
  json::object chunk(size_t index, json::object delta, json::value logprobs, json::value finish_reason) const;
  json::value logprobs(const std::vector<SampledToken>& tokens) const;
  json::object token(TokenId token, float logprob) const;

  AnswerOptions options_;
};

}  // namespace pelton::openai
