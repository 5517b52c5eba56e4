// The baseline that learns nothing: the model without finetuning sees some examples of the data before each question
// (Brown et al. 2020, arXiv 2005.14165). Of chats they are earlier turns; completions and texts stand before the
// prompt, an empty line behind each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/bundle.h"
#include "train/example.h"
#include "train/recipe.h"
#include "train/record.h"

namespace pelton {

// Immutable, any thread.
class FewShots {
 public:
  // `shots` are shown in this order, without what their system is told. Error kUnsupported: the model has no tokenizer.
  FewShots(std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe, std::vector<Record> shots);

  struct Question {
    Example example;
    int64_t shot_count;  // that it begins with
  };
  // `record` behind as many of the first shots as leave it within the recipe's sequence length and the model's context.
  // `plain` is the record alone, encoded: of the answer the same tokens are asked for. Errors: those of
  // ExampleEncoder::encode(); kInvalidArgument, without the place: shots are chats and the record is none, or the other
  // way round; behind shots the record has other tokens.
  Question ask(const Record& record, const Example& plain) const;

 private:
  Record behind_shots(const Record& record, size_t shot_count) const;

  ExampleEncoder encoder_;
  int64_t length_max_;
  std::vector<Record> shots_;
};

}  // namespace pelton
