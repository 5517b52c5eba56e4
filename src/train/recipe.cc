#include "train/recipe.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "model/type_mix.h"
#include "train/lora.h"
#include "train/method.h"
#include "train/objective.h"
#include "train/optimiser.h"
#include "train/schedule.h"

namespace pelton {
namespace {

struct Domain {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};
constexpr Domain kShare{0, 1};
constexpr Domain kBelowOne{0, 0.99};
constexpr Domain kPositive{std::numeric_limits<double>::min(), 1e9};
constexpr Domain kNotNegative{0, 1e9};
constexpr Domain kCount{1, 1e9};
constexpr Domain kText{};

// The table of keys: one line each.
template <typename Recipe, typename Visitor>
void for_each_key(Recipe& recipe, Visitor visit) {
  visit("model", recipe.model, kText, "What is trained: a GGUF file, a folder, a name in the cache or of a hub");
  visit("data", recipe.data, kText,
        "Files of records (JSON Lines, Parquet, CSV), folders, globs, or what `pelton data pack` wrote");
  visit("output", recipe.output, kText, "The folder to write, which must not be there yet");
  visit("objective", recipe.objective, kText,
        "What is made better: sft, dpo, dpo_hinge, dpo_robust, ipo, kto, orpo, simpo, reward (a model that scores)");
  visit("beta", recipe.beta, kPositive, "How strongly preferences count, or hold to the reference");
  visit("label_smoothing", recipe.label_smoothing, kShare, "Share of preferences taken to be the wrong way round");
  visit("simpo_margin", recipe.simpo_margin, kNotNegative, "SimPO's γ");
  visit("desirable_weight", recipe.desirable_weight, kNotNegative, "KTO: how much good answers count");
  visit("undesirable_weight", recipe.undesirable_weight, kNotNegative, "KTO: how much bad ones do");
  visit("method", recipe.method, kText,
        "Which weights are trained: lora (matrices beside them), ia3 (factors for them), full (themselves)");
  visit("rank", recipe.rank, Domain{1, 4096}, "Rank of LoRA's matrices");
  visit("alpha", recipe.alpha, kPositive, "LoRA's change is multiplied by alpha / rank");
  visit("targets", recipe.targets, kText,
        "Matrices that an adapter changes: q, k, v, o, gate, up, down, all-linear, names of modules, patterns with *; "
        "of ia3 without it k, v, down");
  visit("rank_stabilised", recipe.rank_stabilised, kText, "rsLoRA: alpha / √rank instead");
  visit("dora", recipe.dora, kText, "DoRA: the length of each row of a changed matrix is learnt apart");
  visit(
      "init", recipe.init, kText,
      "lora: what new matrices begin as: zero (no change), pissa (the base's largest singular values), olora (its QR)");
  visit("dropout", recipe.dropout, kBelowOne, "lora: share of what A reads that is dropped while training");
  visit("lora_plus_ratio", recipe.lora_plus_ratio, kPositive, "LoRA+: B learns so many times as fast as A");
  visit("init_adapter", recipe.init_adapter, kText, "An adapter to go on from, in place of a new one");
  visit("merge", recipe.merge, kText, "lora, ia3: the output is the model with the adapter merged into it");
  visit("trained", recipe.trained, kText,
        "full: weights to train, by their names in Hugging Face's folders, patterns with *");
  visit("last_layers", recipe.last_layers, kCount, "full: of these only those of the last so many layers");
  visit("output_type", recipe.output_type, kText,
        "Element type of a model that is written; without it f32 of full, merged the base's own");
  visit("optimiser", recipe.optimiser, kText, "adamw, adamw_8bit, adafactor, lion, muon, sgd");
  visit("learning_rate", recipe.learning_rate, kPositive, "The largest");
  visit("schedule", recipe.schedule, kText, "constant, linear, cosine, wsd");
  visit("warmup_steps", recipe.warmup_steps, kNotNegative, "Steps over which the rate rises");
  visit("decay_steps", recipe.decay_steps, kNotNegative, "wsd: last steps, over which it falls");
  visit("least_rate", recipe.least_rate, kShare, "Share of the rate that is left at the end");
  visit("beta1", recipe.beta1, kShare, "Decay of the optimiser's mean of gradients");
  visit("beta2", recipe.beta2, kShare, "Decay of its mean of squares");
  visit("epsilon", recipe.epsilon, kPositive, "Added to AdamW's root");
  visit("weight_decay", recipe.weight_decay, kNotNegative, "Decoupled from the gradient");
  visit("momentum", recipe.momentum, kShare, "Of sgd; of muon, where 0 means 0.95");
  visit("max_grad_norm", recipe.max_grad_norm, kNotNegative, "Gradients are scaled down to this norm; 0: never");
  visit("steps", recipe.steps, kCount, "So many steps, whatever epochs that is");
  visit("epochs", recipe.epochs, Domain{std::numeric_limits<double>::min(), 1e6}, "Times that the data are seen");
  visit("batch_size", recipe.batch_size, Domain{1, 1e6}, "Examples, or packs of them, that are in memory at once");
  visit("gradient_accumulation", recipe.gradient_accumulation, Domain{1, 1e6}, "Batches that make a step");
  visit("sequence_length", recipe.sequence_length, Domain{2, 1e8}, "Tokens of the longest record that is taken");
  visit("packing", recipe.packing, kText,
        "Records are put together to packs of sequence_length tokens; none sees another");
  visit("group_by_length", recipe.group_by_length, kText, "Batches of records of nearly the same length");
  visit("shuffle", recipe.shuffle, kText, "A new order for each epoch");
  visit("seed", recipe.seed, Domain{0, 9e15}, "Of the order and of new matrices");
  visit("precision", recipe.precision, kText,
        "f32; bf16: of fixed matrices and of what is kept for the backward; sums in float32");
  visit("activation_checkpointing", recipe.activation_checkpointing, kText,
        "none; layer: each layer is computed again for its backward, which saves most of the memory");
  visit("skip_bad_records", recipe.skip_bad_records, kText, "Skip and count them instead of stopping");
  visit("now_unix_s", recipe.now_unix_s, Domain{0, 4e9}, "What chat templates that write the date take for now");
  visit("eval_data", recipe.eval_data, kText, "Files of records that are not learnt: the loss on them is measured");
  visit("eval_steps", recipe.eval_steps, kCount, "Steps between two measurements; one more is at the end");
  visit("keep_best", recipe.keep_best, kText, "The output is what had the least loss on eval_data");
  visit("early_stop", recipe.early_stop, kNotNegative,
        "Ends after so many measurements without a better one; 0: never");
  visit("sample_prompts", recipe.sample_prompts, kText,
        "What the model is asked now and then; the log has its answers");
  visit("sample_steps", recipe.sample_steps, kCount, "Steps between two times; one more is at the end");
  visit("sample_tokens", recipe.sample_tokens, Domain{1, 4096}, "Tokens of the longest answer");
  visit("checkpoint_steps", recipe.checkpoint_steps, kCount, "Steps between two checkpoints, from which a run goes on");
}

[[noreturn]] void refuse(std::string_view key, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", key, reason), std::string(key));
}

const std::string& single(std::string_view key, const std::vector<std::string>& texts) {
  if (texts.size() != 1) refuse(key, "expected one value, got a list");
  return texts.front();
}

double number_of(std::string_view key, const std::string& text, const Domain& domain) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    refuse(key, fmt::format("expected a number, got \"{}\"", text));
  }
  if (value < domain.min || value > domain.max) {
    refuse(key, fmt::format("{} is out of range; from {:g} to {:g} is allowed", text, domain.min, domain.max));
  }
  return value;
}

// Sets a member from texts; one overload a type.
class Reader {
 public:
  Reader(std::string_view key, const std::vector<std::string>& texts, const Domain& domain)
      : key_(key), texts_(texts), domain_(domain) {}

  void set(std::string& member) const { member = single(key_, texts_); }
  void set(std::vector<std::string>& member) const {
    member.clear();
    for (const std::string& text : texts_) append_parts(text, member);
    if (member.empty()) refuse(key_, "the list is empty");
  }
  void set(WholeTexts& member) const { member.texts = texts_; }
  void set(double& member) const { member = number_of(key_, single(key_, texts_), domain_); }
  void set(int64_t& member) const {
    const double value = number_of(key_, single(key_, texts_), domain_);
    if (value != std::floor(value)) refuse(key_, fmt::format("expected a whole number, got {}", texts_.front()));
    member = static_cast<int64_t>(value);
  }
  void set(bool& member) const {
    const std::string& text = single(key_, texts_);
    if (text != "true" && text != "false") refuse(key_, fmt::format("expected true or false, got \"{}\"", text));
    member = text == "true";
  }
  template <typename T>
  void set(std::optional<T>& member) const {
    set(member.emplace());
  }

 private:
  static void append_parts(const std::string& text, std::vector<std::string>& parts) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t comma = std::min(text.find(',', begin), text.size());
      const std::string_view part = std::string_view(text).substr(begin, comma - begin);
      const size_t first = part.find_first_not_of(' ');
      if (first != std::string_view::npos)
        parts.emplace_back(part.substr(first, part.find_last_not_of(' ') + 1 - first));
      begin = comma + 1;
    }
  }

  std::string_view key_;
  const std::vector<std::string>& texts_;
  Domain domain_;
};

json::value to_json(const std::string& value) { return json::string(value); }
json::value to_json(int64_t value) { return value; }
json::value to_json(double value) { return value; }
json::value to_json(bool value) { return value; }
json::value to_json(const std::vector<std::string>& values) { return json::array(values.begin(), values.end()); }
json::value to_json(const WholeTexts& value) { return to_json(value.texts); }
template <typename T>
json::value to_json(const std::optional<T>& value) {
  return value ? to_json(*value) : json::value(nullptr);
}

std::string to_text(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_double()) return fmt::format("{:g}", value.get_double());
  if (!value.is_array()) return json::serialize(value);
  std::string text;
  for (const json::value& item : value.get_array()) text += (text.empty() ? "" : ",") + std::string(item.get_string());
  return text;
}

void set_keys(const RecipeValues& values, TuneRecipe& recipe) {
  for (const auto& [name, texts] : values) {
    bool is_known = false;
    for_each_key(recipe, [&, &name = name, &texts = texts](std::string_view key, auto& member, const Domain& domain,
                                                           std::string_view) {
      if (key != name) return;
      is_known = true;
      Reader(key, texts, domain).set(member);
    });
    if (!is_known) refuse(name, "there is no such key; pelton tune --help lists them");
  }
}

void check_precision(const std::string& precision) {
  if (precision == "f32" || precision == "fp32" || precision == "bf16") return;
  if (precision == "tf32") {
    throw Error(ErrorCode::kUnsupported,
                "precision: tf32 is a format of graphics processors' multipliers; no CPU has such a unit; use f32",
                "precision");
  }
  throw Error(ErrorCode::kUnsupported, fmt::format("precision: \"{}\" is not supported, only f32 and bf16", precision),
              "precision");
}

void check_objective(const TuneRecipe& recipe) {
  if (!find_objective(recipe.objective).has_head) return;
  if (recipe.method != "full" && !recipe.merge) {
    refuse("merge", fmt::format("{} trains a head beside the adapter, which no adapter's files hold; with merge: true "
                                "the output is the whole model",
                                recipe.objective));
  }
  if (!recipe.sample_prompts.texts.empty()) {
    refuse("sample_prompts", fmt::format("a model that is trained by {} says nothing, it scores", recipe.objective));
  }
}

void check_ia3(const TuneRecipe& recipe) {
  if (recipe.method != "ia3") return;
  const json::object values = recipe_to_json(recipe), defaults = recipe_to_json(TuneRecipe());
  for (const char* key : {"rank", "alpha", "rank_stabilised", "dora", "init", "dropout", "lora_plus_ratio"}) {
    if (values.at(key) == defaults.at(key)) continue;
    refuse(key, "is of LoRA's matrices; method ia3 has none, it learns a factor for each row or column; leave it out");
  }
}

void check(const TuneRecipe& recipe) {
  if (recipe.model.empty()) refuse("model", "which one is not said");
  if (recipe.data.empty()) refuse("data", "there are none");
  if (recipe.output.empty()) refuse("output", "where to is not said");
  find_training_method(recipe.method);
  check_ia3(recipe);
  check_objective(recipe);
  find_optimiser(recipe.optimiser);
  parse_lora_start(recipe.init);
  if (recipe.init != "zero" && recipe.init_adapter) refuse("init", "is of new matrices, and init_adapter has its own");
  if (recipe.init != "zero" && recipe.dora) {
    refuse("init", "dora keeps lengths of the base's rows, of which pissa and olora take a part away; use one of them");
  }
  if (recipe.merge && recipe.method == "full") {
    refuse("merge", "there is an adapter to merge only with methods lora and ia3");
  }
  if (recipe.method != "full" && recipe.last_layers) refuse("last_layers", "is of method full");
  if (recipe.output_type) type_mix(*recipe.output_type);
  if (!parse_schedule(recipe.schedule)) {
    refuse("schedule", fmt::format("\"{}\" is none of {}", recipe.schedule, schedule_names()));
  }
  if (recipe.group_by_length && (recipe.packing || !recipe.shuffle)) {
    refuse("group_by_length", recipe.packing ? "packs are all of one length; leave out packing or this"
                                             : "changes the order, which shuffle: false fixes");
  }
  check_precision(recipe.precision);
  if (recipe.early_stop > 0 && !recipe.eval_data) refuse("early_stop", "needs eval_data");
  if (recipe.activation_checkpointing != "none" && recipe.activation_checkpointing != "layer") {
    refuse("activation_checkpointing", fmt::format("\"{}\" is none of none, layer", recipe.activation_checkpointing));
  }
}

}  // namespace

std::vector<RecipeKey> recipe_keys() {
  std::vector<RecipeKey> keys;
  TuneRecipe defaults;
  for_each_key(defaults, [&](std::string_view key, const auto& member, const Domain&, std::string_view help) {
    keys.push_back({key, help, to_text(to_json(member))});
  });
  return keys;
}

RecipeValues parse_recipe_values(std::string_view yaml, std::string_view name) try {
  RecipeValues values;
  const YAML::Node root = YAML::Load(std::string(yaml));
  if (root.IsNull()) return values;
  if (!root.IsMap()) throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: expected keys with values", name));
  for (const auto& entry : root) {
    const std::string key = entry.first.Scalar();
    const YAML::Mark mark = entry.second.Mark();
    std::vector<std::string> texts;
    const auto add = [&](const YAML::Node& node) {
      if (!node.IsScalar()) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("{}:{}:{}: {}: expected a value or a list of values", name,
                                                             mark.line + 1, mark.column + 1, key));
      }
      texts.push_back(node.Scalar());
    };
    if (entry.second.IsNull()) continue;  // as if it were not there
    if (entry.second.IsSequence()) {
      for (const YAML::Node& item : entry.second) add(item);
    } else {
      add(entry.second);
    }
    if (!values.emplace(key, std::move(texts)).second) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {} is there twice", name, mark.line + 1, key));
    }
  }
  return values;
} catch (const YAML::Exception& error) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}:{}:{}: {}", name, error.mark.line + 1, error.mark.column + 1, error.msg));
}

TuneRecipe make_recipe(const RecipeValues& file, const RecipeValues& overrides) {
  RecipeValues values = overrides;
  const auto has_length = [](const RecipeValues& of) { return of.contains("steps") || of.contains("epochs"); };
  for (const auto& [key, texts] : file) {
    const bool is_length = key == "steps" || key == "epochs";
    if (!(is_length && has_length(overrides))) values.emplace(key, texts);
  }
  if (values.contains("steps") && values.contains("epochs")) refuse("steps", "give steps or epochs, not both");
  TuneRecipe recipe;
  set_keys(values, recipe);
  const bool has_targets = values.contains("targets");
  if (recipe.method == "ia3" && !has_targets) recipe.targets = {"k", "v", "down"};  // PEFT's defaults for Llama
  check(recipe);
  return recipe;
}

json::object recipe_to_json(const TuneRecipe& recipe) {
  json::object object;
  for_each_key(recipe, [&](std::string_view key, const auto& member, const Domain&, std::string_view) {
    object[key] = to_json(member);
  });
  return object;
}

}  // namespace pelton
