// The examples of a data set: of files of records of every form, and of files of tokens that `pelton data pack` made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/bundle.h"
#include "train/example.h"
#include "train/recipe.h"
#include "train/record_reader.h"

namespace pelton {

// The most tokens that a sequence may have: what the recipe says, and what the model's context takes.
int64_t sequence_length_max(const ModelBundle& bundle, const TuneRecipe& recipe);

class ExampleReader {
 public:
  // The recipe must outlive it. Error kUnsupported: the model has no tokenizer.
  ExampleReader(std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe);

  // Whether an example is taken. No record: it lies in a file of tokens.
  using Wants = std::function<bool(const Record* record, const Example& example)>;

  // Files, folders and globs, those of tokens first; all, or those that are wanted. Adds what was read to `counts`.
  // Errors: those of read_records(), ExampleEncoder and read_token_file().
  std::vector<Example> read(const std::vector<std::string>& paths, RecordCounts& counts, const Wants& wants = {}) const;

 private:
  std::shared_ptr<const ModelBundle> bundle_;
  const TuneRecipe& recipe_;
  int64_t length_max_;
  ExampleEncoder encoder_;
};

}  // namespace pelton
