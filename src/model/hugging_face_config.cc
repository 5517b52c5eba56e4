#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "model/config.h"
#include "model/config_bounds.h"
#include "model/rope_scaling.h"

namespace pelton {
namespace {

std::vector<double> numbers_of(const JsonReader& reader, std::string_view key) {
  const json::array* array = reader.array(key);
  if (array == nullptr) return {};
  std::vector<double> numbers;
  for (const json::value& value : *array) {
    if (!value.is_number()) reader.fail(key, "numbers");
    numbers.push_back(value.to_number<double>());
  }
  return numbers;
}

// rotated_width, theta and original_context_length hold the model's; `object` may have its own.
RopeScaling scaling_from_hugging_face(const JsonReader& rope, RopeScaling scaling) {
  const auto type = rope.string("rope_type");
  scaling.type = type ? *type : rope.string("type").value_or("default");
  if (scaling.type == "su") scaling.type = "longrope";  // as it was called first
  scaling.theta = rope.number("rope_theta", 1, 1e12).value_or(scaling.theta);
  scaling.factor = rope.number("factor", 1e-3, 1e6);
  scaling.original_context_length =
      rope.integer("original_max_position_embeddings", 1, kSizeMax).value_or(scaling.original_context_length);
  scaling.low_frequency_factor = rope.number("low_freq_factor", 1e-3, 1e6).value_or(scaling.low_frequency_factor);
  scaling.high_frequency_factor = rope.number("high_freq_factor", 1e-3, 1e6).value_or(scaling.high_frequency_factor);
  scaling.beta_fast = rope.number("beta_fast", 1e-3, 1e6).value_or(scaling.beta_fast);
  scaling.beta_slow = rope.number("beta_slow", 1e-3, 1e6).value_or(scaling.beta_slow);
  scaling.truncates = rope.boolean("truncate").value_or(true);
  scaling.attention_factor = rope.number("attention_factor", 1e-3, 1e3);
  scaling.magnitude_scale = rope.number("mscale", 0, 1e3);
  scaling.magnitude_scale_all = rope.number("mscale_all_dim", 0, 1e3);
  scaling.short_divisors = numbers_of(rope, "short_factor");
  scaling.long_divisors = numbers_of(rope, "long_factor");
  return scaling;
}

template <typename Predicate>
bool any_class_of(const JsonReader& reader, const Predicate& is_wanted) {
  const json::array* classes = reader.array("architectures");
  return classes != nullptr && std::any_of(classes->begin(), classes->end(), [&](const json::value& item) {
           return item.is_string() && is_wanted(std::string_view(item.get_string()));
         });
}

}  // namespace

int64_t HuggingFaceConfig::size(std::string_view key, std::optional<int64_t> fallback) const {
  const auto found = reader_.integer(key, 1, kSizeMax);
  if (found) return *found;
  if (fallback) return *fallback;
  throw Error(ErrorCode::kCorruptFile, fmt::format("config.json: {} is missing", key));
}

int64_t HuggingFaceConfig::count(std::string_view key, int64_t fallback) const {
  if (config_.contains(key) && config_.at(key).is_null()) return 0;
  return reader_.integer(key, 0, kSizeMax).value_or(fallback);
}

std::map<int64_t, int64_t> HuggingFaceConfig::layer_overrides(std::string_view key) const {
  std::map<int64_t, int64_t> overrides;
  const json::object* layers = reader_.object("per_layer_config");
  if (layers == nullptr) return overrides;
  for (const auto& [name, value] : *layers) {
    const auto found = JsonReader::of(value, "config.json: per_layer_config").integer(key, 1, kSizeMax);
    const bool is_number = !name.empty() && name.size() <= 4 && name.find_first_not_of("0123456789") == name.npos;
    if (!is_number) reader_.fail("per_layer_config", "numbers of layers as names");
    if (found) overrides[std::stoll(std::string(name))] = *found;
  }
  return overrides;
}

std::optional<float> HuggingFaceConfig::positive(std::string_view key) const {
  const auto found = reader_.number(key, 1e-9, 1e9);
  return found ? std::optional(static_cast<float>(*found)) : std::nullopt;
}

std::optional<float> HuggingFaceConfig::epsilon(std::string_view key) const {
  const auto found = reader_.number(key, 0, 1);
  return found ? std::optional(static_cast<float>(*found)) : std::nullopt;
}

bool HuggingFaceConfig::is_class(std::string_view name) const {
  return any_class_of(reader_, [name](std::string_view found) { return found == name; });
}

bool HuggingFaceConfig::is_classifier() const {
  return any_class_of(reader_, [](std::string_view name) { return name.ends_with("ForSequenceClassification"); });
}

int64_t HuggingFaceConfig::label_count() const {
  const json::object* names = reader_.object("id2label");
  if (names != nullptr && !names->empty()) return static_cast<int64_t>(names->size());
  return size("num_labels", 2);
}

ModelSpec HuggingFaceConfig::common_spec(std::string_view architecture, const Family& family) const {
  ModelSpec spec;
  spec.architecture = architecture;
  spec.layer_count = size("num_hidden_layers", std::nullopt);
  spec.width = size("hidden_size", std::nullopt);
  spec.query_head_count = size("num_attention_heads", std::nullopt);
  spec.key_value_head_count = size("num_key_value_heads", spec.query_head_count);
  spec.head_width = size("head_dim", spec.width / spec.query_head_count);
  spec.feed_forward_width = size("intermediate_size", std::nullopt);
  spec.vocabulary_size = size("vocab_size", std::nullopt);
  spec.context_length = size("max_position_embeddings", 2048);
  spec.norm_epsilon = static_cast<float>(reader_.number("rms_norm_eps", 0, 1).value_or(1e-6));
  spec.has_tied_output = reader_.boolean("tie_word_embeddings").value_or(family.has_tied_output);
  if (is_classifier()) spec.label_count = label_count();
  check_spec(spec, "config.json");
  spec.rope = read_rope(spec, family);
  return spec;
}

RopeParameters HuggingFaceConfig::read_rope(ModelSpec& spec, const Family& family) const {
  RopeScaling scaling;
  // GPT-NeoX calls it otherwise, as it does the share of a head that is rotated.
  scaling.theta = reader_.number("rope_theta", 1, 1e12)
                      .value_or(reader_.number("rotary_emb_base", 1, 1e12).value_or(scaling.theta));
  scaling.original_context_length =
      reader_.integer("original_max_position_embeddings", 1, kSizeMax).value_or(spec.context_length);

  const json::object no_parameters;
  const json::value* found = reader_.value("rope_parameters");
  if (found == nullptr) found = reader_.value("rope_scaling");
  const JsonReader parameters = found == nullptr ? JsonReader(no_parameters, "config.json: rope parameters")
                                                 : JsonReader::of(*found, "config.json: rope parameters");
  const json::object* full = parameters.object("full_attention");
  const json::object* local = parameters.object("sliding_attention");
  const JsonReader rope = full == nullptr ? parameters : JsonReader(*full, "config.json: rope parameters");

  const double share = rope.number("partial_rotary_factor", 0, 1)
                           .value_or(reader_.number("partial_rotary_factor", 0, 1)
                                         .value_or(reader_.number("rotary_pct", 0, 1).value_or(family.rotated_share)));
  const int64_t head_width = family.full_head_width.value_or(spec.head_width);
  RopeScaling local_scaling = scaling;
  local_scaling.rotated_width = spec.head_width;
  scaling = scaling_from_hugging_face(rope, scaling);
  if (share != 1 && !family.rotates_partially && scaling.type != "proportional") {
    throw Error(ErrorCode::kUnsupported,
                "config.json: partial_rotary_factor other than 1 is not supported for this architecture");
  }
  if (scaling.type == "proportional") {
    scaling.rotated_width = head_width;
    scaling.rotated_share = share;
  } else {
    scaling.rotated_width = static_cast<int64_t>(static_cast<double>(head_width) * share);
  }
  check_rotated_width(scaling.rotated_width, head_width);
  if (scaling.type == "longrope" && !scaling.factor) {
    scaling.factor = static_cast<double>(spec.context_length) / static_cast<double>(scaling.original_context_length);
  }
  // Beyond the length that it was trained for, which max_position_embeddings is, the base grows.
  if (scaling.type == "dynamic") {
    spec.context_length =
        std::min(kSizeMax, static_cast<int64_t>(scaling.factor.value_or(1) * static_cast<double>(spec.context_length)));
  }
  spec.rope_scaling = scaling_name(scaling);
  spec.rope_source = scaling;

  const auto local_theta = reader_.number("rope_local_base_freq", 1, 1e12);
  if (local != nullptr) {
    spec.local_rope_source =
        scaling_from_hugging_face(JsonReader(*local, "config.json: rope parameters"), local_scaling);
  } else if (local_theta) {
    local_scaling.theta = *local_theta;
    spec.local_rope_source = local_scaling;
  }
  if (spec.local_rope_source) spec.local_rope = rope_parameters(*spec.local_rope_source);
  return rope_parameters(scaling);
}

std::optional<std::vector<bool>> HuggingFaceConfig::local_layers(int64_t layer_count) const {
  const json::array* types = reader_.array("layer_types");
  if (types == nullptr) return std::nullopt;
  if (static_cast<int64_t>(types->size()) != layer_count) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("config.json: layer_types has {} entries for {} layers", types->size(), layer_count));
  }
  std::vector<bool> layers;
  for (const json::value& value : *types) {
    const std::string_view type = value.is_string() ? std::string_view(value.get_string()) : "";
    if (type != "full_attention" && type != "sliding_attention") {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("config.json: a layer of type {} is not supported", json::serialize(value)));
    }
    layers.push_back(type == "sliding_attention");
  }
  return layers;
}

void HuggingFaceConfig::read_window(ModelSpec& spec, const LayerRule& is_local) const {
  if (flag("use_sliding_window", true)) spec.window = reader_.integer("sliding_window", 1, kSizeMax);
  const std::optional<std::vector<bool>> named = local_layers(spec.layer_count);
  if (!named) {
    if (spec.window) spec.local_layers = list_layers(spec, is_local);
    return;
  }
  spec.local_layers = *named;
  const bool has_local = std::find(spec.local_layers.begin(), spec.local_layers.end(), true) != spec.local_layers.end();
  if (has_local && !spec.window) {
    throw Error(ErrorCode::kCorruptFile, "config.json: layer_types names sliding windows without a sliding_window");
  }
}

void HuggingFaceConfig::read_experts(ModelSpec& spec, const ExpertKeys& keys) const {
  spec.routing.expert_count = size(keys.count, std::nullopt);
  spec.routing.active_count = size("num_experts_per_tok", std::nullopt);
  spec.expert_width = size(keys.width, std::nullopt);
  if (!keys.group_count.empty()) {
    spec.routing.group_count = std::max<int64_t>(count(keys.group_count, 1), 1);
    spec.routing.active_group_count = std::max<int64_t>(count(keys.active_group_count, 1), 1);
  }
  check_experts(spec, "config.json");
}

void HuggingFaceConfig::require(std::string_view key, std::initializer_list<std::string_view> expected) const {
  const auto found = reader_.string(key);
  if (!found || std::find(expected.begin(), expected.end(), *found) != expected.end()) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("config.json: {} \"{}\" is not supported for this architecture (only \"{}\")", key, *found,
                          fmt::join(expected, "\", \"")));
}

void HuggingFaceConfig::require_absent(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) {
    if (reader_.value(key) != nullptr) {
      throw Error(ErrorCode::kUnsupported, fmt::format("config.json: {} is not supported for this architecture", key));
    }
  }
}

void HuggingFaceConfig::require_flag(std::string_view key, bool expected) const {
  if (flag(key, expected) == expected) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("config.json: {} {} is not supported for this architecture", key, !expected));
}

std::optional<std::vector<bool>> HuggingFaceConfig::layer_flags(std::string_view key, int64_t layer_count) const {
  const json::array* array = reader_.array(key);
  if (array == nullptr) return std::nullopt;
  if (static_cast<int64_t>(array->size()) < layer_count) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("config.json: {} has {} entries for {} layers", key, array->size(), layer_count));
  }
  std::vector<bool> flags;
  for (const json::value& value : *array) {
    if (!value.is_bool() && !value.is_number()) reader_.fail(key, "0, 1, false and true");
    flags.push_back(value.is_bool() ? value.get_bool() : value.to_number<double>() != 0);
  }
  return flags;
}

std::vector<int64_t> HuggingFaceConfig::layer_numbers(std::string_view key) const {
  std::vector<int64_t> layers;
  for (const double number : numbers_of(reader_, key)) {
    if (!(number >= 0 && number <= static_cast<double>(kSizeMax))) reader_.fail(key, "numbers of layers");
    layers.push_back(static_cast<int64_t>(number));
  }
  return layers;
}

}  // namespace pelton
