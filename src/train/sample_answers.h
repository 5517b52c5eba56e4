// What a model that is being trained says to some prompts: greedy answers, for people to look at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/bundle.h"
#include "train/trainer.h"

namespace pelton {

class SampleAnswers {
 public:
  // Each prompt is a user's message where the model has a chat template, else the beginning of a text. Errors: those of
  // encode_chat(); kContextTooLong: a prompt and its answer do not fit.
  SampleAnswers(const ModelBundle& bundle, const std::vector<std::string>& prompts, int64_t token_count_max,
                int64_t now_unix_s);

  bool is_empty() const { return prompts_.empty(); }
  // [{"prompt", "answer"} …]
  json::array ask(Trainer& trainer) const;

 private:
  struct Prompt {
    std::string text;
    std::vector<int32_t> tokens;
  };
  const ModelBundle& bundle_;
  std::vector<Prompt> prompts_;
  int64_t token_count_max_;
};

}  // namespace pelton
