// Answers of POST /v1/completions, with the older form of log-probabilities.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/answer.h"

namespace pelton::openai {

class CompletionAnswer final : public AnswerFormat {
 public:
  // `echoes`: for each choice the prompt that is to stand before its text; absent: it is not asked for.
  CompletionAnswer(AnswerOptions options, std::vector<std::optional<std::string>> echoes);

  void set_prompt(size_t index, std::vector<SampledToken> tokens) override;
  json::object whole(const std::vector<Choice>& choices, const Usage& usage) override;
  Events opening(size_t index) override;
  Events piece(size_t index, const Piece& piece) override;
  Events closing(size_t index, const Choice& ending) override;
  Events end(const Usage& usage) override;

 private:
  json::object choice(size_t index, std::string_view text, json::value logprobs, json::value finish_reason) const;
  Event chunk(json::object choice) const;
  json::value logprobs(size_t index, const std::vector<SampledToken>& tokens);
  std::string token_name(TokenId token) const;

  AnswerOptions options_;
  std::vector<std::optional<std::string>> echoes_;
  std::vector<std::vector<SampledToken>> prompts_;  // by choice, with log-probabilities; empty: nobody asked
  std::vector<int64_t> offsets_;                    // by choice: characters of the text so far
};

}  // namespace pelton::openai
