// A record as a model sees it: token ids, and which of them it learns to say.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/bundle.h"
#include "train/record.h"

namespace pelton {

struct TrainingSequence {
  std::vector<int32_t> tokens;
  std::vector<bool> is_learnt;  // by token; never the first, which nothing comes before

  int64_t learnt_count() const;
};

struct Example {
  std::string place;                        // "chats.jsonl:12"
  std::vector<TrainingSequence> sequences;  // one; of a preference the chosen and the rejected
  std::optional<bool> is_desirable;         // of a labelled completion

  int64_t token_count() const;
  int64_t learnt_count() const;
};

struct ExampleOptions {
  int64_t sequence_length_max = 2048;  // tokens
  // What templates take for now: Llama's write the date. That of their own fallback, 26 Jul 2024, so that the same data
  // gives the same tokens on every day.
  int64_t now_unix_s = 1'721'952'000;
};

// What is learnt:
//   chat         each answer of the assistant and the end token behind it (train/chat_spans.h);
//   completion   all that follows the prompt. A text of its own gets the model's end token; of messages what
//                the template writes after the prompt for the assistant, to its last byte;
//   preference   of both answers, likewise;
//   text         all of it, with the model's end token.
// A token that lies on both sides of a border counts to what comes first, and is not learnt.
class ExampleEncoder {
 public:
  // Error kUnsupported: the model has no tokenizer.
  ExampleEncoder(std::shared_ptr<const ModelBundle> bundle, const ExampleOptions& options);

  // Errors: kInvalidArgument, without the place: longer than allowed, nothing is learnt, or as encode_chat() and
  // assistant_spans() say; kUnsupported: messages for a model without a chat template; the tokenizer rewrites texts,
  // so that tokens cannot be told apart.
  Example encode(const Record& record) const;

 private:
  TrainingSequence encode_answer(const Record& record, const Content& answer) const;
  TrainingSequence encode_text(const std::string& prompt, const std::string& answer) const;
  TrainingSequence encode_chat_turns(const Record& record, const json::array& messages) const;
  TrainingSequence encode_chat_answer(const Record& record, const json::array& prompt, const json::array& answer) const;
  ChatTemplate::Input chat_input(const Record& record, json::array messages) const;
  bool is_end(TokenId token) const;

  std::shared_ptr<const ModelBundle> bundle_;
  ExampleOptions options_;
};

}  // namespace pelton
