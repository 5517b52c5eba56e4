// One HTTP request that generates: submits its prompts to the engine and turns what comes back into one reply.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/request.h"
#include "server/access/access.h"
#include "server/http/message.h"
#include "server/openai/answer.h"
#include "server/served_model.h"

namespace pelton::openai {

// Lives on the reply's strand, and keeps the model as long.
class GenerationJob : public std::enable_shared_from_this<GenerationJob> {
 public:
  struct Options {
    bool streams = false;
    bool has_logprobs = false;
    std::string request_id;  // of the HTTP request
    TimePoint received{};
    std::shared_ptr<Caller> caller;  // whose tokens these are; null: nobody's
    size_t choice_count = 1;         // n: choices of a request
    size_t best_of = 1;  // at least n; more: answers to a request, the best n of which are its choices; no stream
  };
  GenerationJob(std::shared_ptr<const ServedModel> model, std::shared_ptr<Reply> reply,
                std::unique_ptr<AnswerFormat> format, Options options);

  // The choices of each request, in their order. Throws what Engine::submit throws; then nothing goes on.
  void start(std::vector<GenerationRequest> requests);

 private:
  class Sink;
  struct Part {
    RequestId id{};
    bool is_open = false;  // its first chunk is out
    Choice choice;         // what came so far, where the reply is not a stream
  };

  void set_prompt(size_t index, std::vector<SampledToken> tokens);
  void add(size_t index, Piece piece);
  void finish(size_t index, const GenerationSummary& summary);
  void fail(const Error& error);
  void cancel();
  // Of answers that were all finished: the choices of the reply.
  std::vector<Choice> chosen();
  void open(size_t index);
  void send(const Events& events);

  std::shared_ptr<const ServedModel> model_;
  std::shared_ptr<Reply> reply_;
  std::unique_ptr<AnswerFormat> format_;
  Options options_;
  std::vector<Part> parts_;
  size_t unfinished_count_ = 0;
  bool is_streaming_ = false;
  Usage usage_;
};

}  // namespace pelton::openai
