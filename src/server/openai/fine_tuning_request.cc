#include "server/openai/fine_tuning_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = FineTuningRequest;

constexpr size_t kBodyBytesMax = 65536;  // it is kept with the job
constexpr size_t kSuffixBytesMax = 64;   // OpenAI's
constexpr size_t kMetadataCountMax = 16;
constexpr size_t kMetadataNameBytesMax = 64;
constexpr size_t kMetadataTextBytesMax = 512;
constexpr int64_t kSeedMax = 2'147'483'647;
constexpr int64_t kEpochsMax = 1000;
constexpr int64_t kBatchSizeMax = 4096;
constexpr double kMultiplierMax = 1e6;
constexpr double kBetaMax = 2;  // OpenAI's

// What "auto" means. DPO moves a model that can already do the task, by smaller steps.
constexpr int64_t kAutoEpochs = 3;
constexpr double kDpoRateShare = 0.1;

// Keys of recipes that have a meaning here. What names files, or another output than an adapter, is not among them.
constexpr std::array kRecipeKeys = {"objective",
                                    "label_smoothing",
                                    "simpo_margin",
                                    "desirable_weight",
                                    "undesirable_weight",
                                    "method",
                                    "rank",
                                    "alpha",
                                    "targets",
                                    "rank_stabilised",
                                    "dora",
                                    "init",
                                    "dropout",
                                    "lora_plus_ratio",
                                    "optimiser",
                                    "learning_rate",
                                    "schedule",
                                    "warmup_steps",
                                    "decay_steps",
                                    "least_rate",
                                    "beta",
                                    "beta1",
                                    "beta2",
                                    "epsilon",
                                    "weight_decay",
                                    "momentum",
                                    "max_grad_norm",
                                    "steps",
                                    "gradient_accumulation",
                                    "sequence_length",
                                    "packing",
                                    "group_by_length",
                                    "shuffle",
                                    "precision",
                                    "activation_checkpointing",
                                    "skip_bad_records",
                                    "eval_steps",
                                    "keep_best",
                                    "early_stop",
                                    "checkpoint_steps"};

// --- hyperparameters

bool is_auto(const JsonReader& reader, std::string_view name) {
  const json::value* value = reader.value(name);
  return value == nullptr || *value == "auto";
}

Hyperparameters read_hyperparameters(const JsonReader& reader, bool has_beta) {
  if (has_beta) {
    reader.refuse_others({"n_epochs", "batch_size", "learning_rate_multiplier", "beta"});
  } else {
    reader.refuse_others({"n_epochs", "batch_size", "learning_rate_multiplier"});
  }
  Hyperparameters result;
  if (!is_auto(reader, "n_epochs")) result.epochs = reader.integer("n_epochs", 1, kEpochsMax);
  if (!is_auto(reader, "batch_size")) result.batch_size = reader.integer("batch_size", 1, kBatchSizeMax);
  if (!is_auto(reader, "learning_rate_multiplier")) {
    result.learning_rate_multiplier = reader.number("learning_rate_multiplier", 0, kMultiplierMax);
    if (result.learning_rate_multiplier <= 0) reader.fail("learning_rate_multiplier", "more than 0, or \"auto\"");
  }
  if (has_beta && !is_auto(reader, "beta")) {
    result.beta = reader.number("beta", 0, kBetaMax);
    if (result.beta <= 0) reader.fail("beta", "more than 0, or \"auto\"");
  }
  return result;
}

// OpenAI's older place for them.
void read_plain_hyperparameters(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* fields = reader.object(name);
  if (fields == nullptr) return;
  if (reader.value("method") != nullptr) reader.fail(name, "to be left out where there is a method, which has its own");
  request.hyperparameters = read_hyperparameters(JsonReader(*fields, reader.path_of(name)), false);
}

void read_method(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* fields = reader.object(name);
  if (fields == nullptr) return;
  const JsonReader method(*fields, reader.path_of(name));
  const std::string type = method.string("type").value_or("");
  if (type != "supervised" && type != "dpo") {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{}: \"{}\" is not supported, only \"supervised\" and \"dpo\" are", method.path_of("type"), type),
        method.path_of("type"));
  }
  method.refuse_others({"type", type});
  request.method = type == "dpo" ? TuningMethod::kDpo : TuningMethod::kSupervised;
  const json::object* options = method.object(type);
  if (options == nullptr) return;
  const JsonReader of_type(*options, method.path_of(type));
  of_type.refuse_others({"hyperparameters"});
  const json::object* parameters = of_type.object("hyperparameters");
  if (parameters == nullptr) return;
  request.hyperparameters = read_hyperparameters(JsonReader(*parameters, of_type.path_of("hyperparameters")),
                                                 request.method == TuningMethod::kDpo);
}

// --- others

void read_suffix(const JsonReader& reader, std::string_view name, Request& request) {
  request.suffix = reader.string(name);
  if (!request.suffix) return;
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  const std::string& suffix = *request.suffix;
  if (suffix.empty() || suffix.size() > kSuffixBytesMax || !std::all_of(suffix.begin(), suffix.end(), is_letter)) {
    reader.fail(name, fmt::format("1 to {} letters, digits, - and _", kSuffixBytesMax));
  }
}

void read_metadata(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* fields = reader.object(name);
  if (fields == nullptr) return;
  const bool is_right =
      fields->size() <= kMetadataCountMax && std::all_of(fields->begin(), fields->end(), [](const auto& member) {
        return member.key().size() <= kMetadataNameBytesMax && member.value().is_string() &&
               member.value().get_string().size() <= kMetadataTextBytesMax;
      });
  if (!is_right) {
    reader.fail(name, fmt::format("at most {} strings of {} bytes, with names of {}", kMetadataCountMax,
                                  kMetadataTextBytesMax, kMetadataNameBytesMax));
  }
  request.metadata = *fields;
}

// A value of a recipe as the text that a YAML file would have.
std::string text_of(const JsonReader& reader, std::string_view key, const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_bool() || value.is_number()) return to_json_text(value);
  reader.fail(key, "a value, or a list of values");
}

void read_recipe(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* fields = reader.object(name);
  if (fields == nullptr) return;
  const JsonReader recipe(*fields, reader.path_of(name));
  for (const auto& member : *fields) {
    const std::string key(member.key());
    if (std::find(kRecipeKeys.begin(), kRecipeKeys.end(), key) == kRecipeKeys.end()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: no key of recipes that jobs take; there are {}", recipe.path_of(key),
                              fmt::join(kRecipeKeys, ", ")),
                  recipe.path_of(key));
    }
    if (member.value().is_null()) continue;
    std::vector<std::string>& texts = request.recipe[key];
    if (const json::array* list = member.value().if_array()) {
      for (const json::value& item : *list) texts.push_back(text_of(recipe, key, item));
    } else {
      texts.push_back(text_of(recipe, key, member.value()));
    }
  }
}

constexpr Field<Request> kFields[] = {
    string<&Request::model>("model"),
    string<&Request::training_file>("training_file"),
    string<&Request::validation_file>("validation_file"),
    other<Request, read_suffix>("suffix", R"({"type": ["string", "null"], "minLength": 1, "maxLength": 64})"),
    integer<&Request::seed>("seed", 0, kSeedMax),
    other<Request, read_plain_hyperparameters>(
        "hyperparameters",
        R"({"type": ["object", "null"], "properties": {"n_epochs": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1000}]}, "batch_size": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 4096}]}, "learning_rate_multiplier": {"anyOf": [{"const": "auto"}, {"type": "number", "exclusiveMinimum": 0}]}}, "additionalProperties": false})"),
    other<Request, read_method>(
        "method",
        R"({"type": ["object", "null"], "properties": {"type": {"enum": ["supervised", "dpo"]}, "supervised": {"type": "object"}, "dpo": {"type": "object"}}, "required": ["type"], "additionalProperties": false})"),
    other<Request, read_metadata>(
        "metadata", R"({"type": ["object", "null"], "maxProperties": 16, "additionalProperties": {"type": "string"}})"),
    other<Request, read_recipe>(
        "recipe", R"({"type": ["object", "null"], "description": "Keys of a recipe of pelton tune, which win"})"),
    neutral_only<Request, kEmptyArray>("integrations"),
};

double rate_multiplier_of(const Request& request) {
  return request.hyperparameters.learning_rate_multiplier.value_or(1);
}

}  // namespace

FineTuningRequest parse_fine_tuning_request(std::string_view body) {
  if (body.size() > kBodyBytesMax) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("the body has more than {} bytes", kBodyBytesMax));
  }
  Request request = parse_request(body, std::span<const Field<Request>>(kFields));
  if (request.model.empty()) throw Error(ErrorCode::kInvalidArgument, "model is missing", "model");
  if (request.training_file.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "training_file is missing", "training_file");
  }
  request.body = parse_json(body, "body").get_object();
  return request;
}

json::object fine_tuning_request_schema() {
  return body_schema({"model", "training_file"}, std::span<const Field<Request>>(kFields));
}

TuneRecipe make_recipe(const FineTuningRequest& request) {
  const TuneRecipe defaults;
  const bool is_dpo = request.method == TuningMethod::kDpo;
  const Hyperparameters& given = request.hyperparameters;
  const double rate = defaults.learning_rate * (is_dpo ? kDpoRateShare : 1) * rate_multiplier_of(request);
  RecipeValues values = {{"model", {request.model}},
                         {"data", {"-"}},
                         {"output", {"-"}},
                         {"objective", {is_dpo ? "dpo" : "sft"}},
                         {"epochs", {std::to_string(given.epochs.value_or(kAutoEpochs))}},
                         {"batch_size", {std::to_string(given.batch_size.value_or(defaults.batch_size))}},
                         {"learning_rate", {fmt::format("{}", rate)}},
                         {"beta", {fmt::format("{}", given.beta.value_or(defaults.beta))}},
                         {"seed", {std::to_string(request.seed.value_or(0))}}};
  if (request.validation_file) values["eval_data"] = {"-"};
  try {
    TuneRecipe recipe = pelton::make_recipe(values, request.recipe);
    if (recipe.method == "full") {
      throw Error(ErrorCode::kUnsupported, "method: jobs make adapters, by lora or ia3; full makes a model", "method");
    }
    return recipe;
  } catch (const Error& error) {
    const bool is_of_recipe = request.recipe.contains(error.parameter());
    const std::string prefix = is_of_recipe ? "recipe." : "";
    throw Error(error.code(), prefix + error.message(), prefix + error.parameter());
  }
}

json::object hyperparameters_of(const FineTuningRequest& request) {
  const TuneRecipe defaults;
  const Hyperparameters& given = request.hyperparameters;
  json::object result = {{"n_epochs", given.epochs.value_or(kAutoEpochs)},
                         {"batch_size", given.batch_size.value_or(defaults.batch_size)},
                         {"learning_rate_multiplier", rate_multiplier_of(request)}};
  if (request.method == TuningMethod::kDpo) result["beta"] = given.beta.value_or(defaults.beta);
  return result;
}

}  // namespace pelton::openai
