// Answers of POST /v1/responses: a list of items (reasoning, a message, calls of functions).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/openai/answer.h"
#include "text/answer_parser.h"

namespace pelton::openai {

class ResponsesAnswer final : public AnswerFormat {
 public:
  struct Options {
    AnswerIdentity identity;  // id: "resp_…"
    std::shared_ptr<const Tokenizer> tokenizer;
    json::object settings;  // that the answer repeats
  };
  ResponsesAnswer(Options options, AnswerSyntax syntax) : options_(std::move(options)), parser_(std::move(syntax)) {}

  json::object whole(const std::vector<Choice>& choices, const Usage& usage) override;
  Events opening(size_t index) override;
  Events piece(size_t index, const Piece& piece) override;
  Events closing(size_t index, const Choice& ending) override;
  Events end(const Usage& usage) override;
  Event failure(const HttpError& error) override;
  bool ends_with_done() const override { return false; }

 private:
  enum class Kind { kNone, kReasoning, kMessage, kCall };

  json::object response(std::string_view status, json::array output) const;
  json::object finished(const Usage& usage) const;
  json::object usage_object(const Usage& usage) const;
  json::object item(std::string_view status) const;
  json::object part() const;
  Event event(std::string_view name, json::object data);
  Event item_event(std::string_view name, json::object data);
  void go_on(const AnswerDelta& delta, Events& events);
  void open(Kind kind, Events& events);
  void add(const std::string& text, Events& events);
  void close(std::string_view status, Events& events);

  Options options_;
  AnswerParser parser_;
  int64_t sequence_number_ = 0;
  json::array output_;  // items that are done
  std::string reasoning_;
  FinishReason reason_ = FinishReason::kStop;
  // The item that is open:
  Kind kind_ = Kind::kNone;
  std::string item_id_;
  std::string text_;  // of its only part, or its arguments
  std::string call_id_;
  std::string call_name_;
};

}  // namespace pelton::openai
