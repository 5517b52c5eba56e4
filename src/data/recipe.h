// A recipe: what comes in, what is done with it, where it goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/input_files.h"
#include "data/record.h"
#include "data/step.h"

namespace pelton::data {

struct RecipeStep {
  std::string label;  // its name, with "#2" behind where the recipe has it twice
  Step step;
};

struct RecipeInput {
  std::string pattern;
  SourceFile like;
};

struct Recipe {
  std::vector<RecipeInput> inputs;
  std::optional<Format> input_format;   // none: found for each record
  std::string output;                   // .jsonl, .jsonl.gz, .jsonl.zst or .parquet
  std::optional<Format> output_format;  // none: each record's own
  std::string dropped;                  // .jsonl, .jsonl.gz or .jsonl.zst
  size_t memory_bytes_max = 0;          // for what a step holds that must see all records
  std::vector<RecipeStep> steps;
  json::object in_force;  // all of it, with defaults: for the manifest
};

// YAML (or JSON):
//   input: a path, folder or glob, or a list of them; instead of a path also {path, license, url, split, synthetic,
//   model,
//          prompt}, which holds for records that do not say otherwise
//   input_format, output_format: auto, or a format's name
//   output, dropped: files
//   memory_mb: 512
//   steps: a list of names, or of one name with its options each
// `overrides` are "key=value", a key being a path such as steps.0.minhash.verify and a value YAML. Error
// kInvalidArgument with the path of what is wrong.
Recipe read_recipe(std::string_view text, std::string_view what, const std::vector<std::string>& overrides);

// "clean" of "clean.jsonl.zst": what the names of the files beside the output begin with.
std::string output_stem(std::string_view output);
bool is_parquet(std::string_view path);

}  // namespace pelton::data
