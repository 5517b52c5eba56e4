// What a training run is told, with every default: a YAML file, and flags that override its keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

// A list of texts, each with its commas; of other lists several items may stand in one text, between commas.
struct WholeTexts {
  std::vector<std::string> texts;
  friend bool operator==(const WholeTexts&, const WholeTexts&) = default;
};

struct TuneRecipe {
  std::string model;
  std::vector<std::string> data;
  std::string output;

  std::string objective = "sft";
  double beta = 0.1;
  double label_smoothing = 0;
  double simpo_margin = 0.5;
  double desirable_weight = 1;
  double undesirable_weight = 1;

  std::string method = "lora";
  int64_t rank = 16;
  double alpha = 32;
  std::vector<std::string> targets = {"q", "k", "v", "o"};
  bool rank_stabilised = false;
  bool dora = false;
  std::string init = "zero";
  double dropout = 0;
  double lora_plus_ratio = 1;
  std::optional<std::string> init_adapter;
  bool merge = false;
  std::vector<std::string> trained = {"*"};
  std::optional<int64_t> last_layers;
  std::optional<std::string> output_type;

  std::string optimiser = "adamw";
  double learning_rate = 2e-4;
  std::string schedule = "constant";
  int64_t warmup_steps = 0;
  int64_t decay_steps = 0;
  double least_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  double max_grad_norm = 1;

  std::optional<int64_t> steps;
  double epochs = 1;
  int64_t batch_size = 4;
  int64_t gradient_accumulation = 1;
  int64_t sequence_length = 2048;
  bool packing = false;
  bool group_by_length = false;
  bool shuffle = true;
  int64_t seed = 0;
  std::string precision = "f32";
  std::string activation_checkpointing = "none";
  bool skip_bad_records = false;
  int64_t now_unix_s = 1'721'952'000;

  std::optional<std::vector<std::string>> eval_data;
  int64_t eval_steps = 20;
  bool keep_best = true;
  int64_t early_stop = 0;
  WholeTexts sample_prompts;
  int64_t sample_steps = 50;
  int64_t sample_tokens = 64;

  int64_t checkpoint_steps = 10;

  friend bool operator==(const TuneRecipe&, const TuneRecipe&) = default;
};

// One key, as the table of keys describes it to help texts.
struct RecipeKey {
  std::string_view name;     // "learning_rate"
  std::string_view help;     // one line
  std::string default_text;  // empty: none
};
std::vector<RecipeKey> recipe_keys();

// Keys and their values as texts; lists with one text an item.
using RecipeValues = std::map<std::string, std::vector<std::string>, std::less<>>;
// Errors: kInvalidArgument (`name`, line and column: no YAML, no mapping of keys to values or lists, a key twice).
RecipeValues parse_recipe_values(std::string_view yaml, std::string_view name);

// Values of `overrides` win; `steps` there wins over `epochs` of the file, and the other way round. Errors, naming the
// key: kInvalidArgument (unknown, the next known one is named; a value of the wrong kind or out of its domain; one that
// must be there and is not; both steps and epochs); kUnsupported (a precision that a CPU lacks, or that is not
// there yet).
TuneRecipe make_recipe(const RecipeValues& file, const RecipeValues& overrides);

// All keys, defaults included.
json::object recipe_to_json(const TuneRecipe& recipe);

}  // namespace pelton
