#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "model/rope_scaling.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// No published model comes near; a file that says more is corrupt, and nothing is allocated by it.
constexpr int64_t kSizeMax = int64_t{1} << 24;
// What the attention's kernels have room for (kernels/attention/attention.h).
constexpr int64_t kHeadWidthMax = 1024;

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

// Each expert is a layer call's three weights, so that a count beyond all models would be a list without bounds.
void check_experts(const ModelSpec& spec, std::string_view source) {
  constexpr int64_t kExpertCountMax = 1024;
  const RoutingShape& routing = spec.routing;
  if (routing.expert_count > kExpertCountMax || routing.active_count > routing.expert_count) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: {} of {} experts for each token; expected 1 to all of at most {}", source,
                            routing.active_count, routing.expert_count, kExpertCountMax));
  }
  const int64_t size = routing.expert_count / routing.group_count;
  if (routing.group_count <= kExpertGroupCountMax && routing.expert_count % routing.group_count == 0 &&
      routing.active_group_count <= routing.group_count && routing.active_count <= routing.active_group_count * size &&
      (size >= 2 || !routing.has_groups() || !routing.has_sigmoids())) {
    return;
  }
  throw Error(ErrorCode::kCorruptFile,
              fmt::format("{}: {} of {} experts cannot be in {} of {} groups", source, routing.active_count,
                          routing.expert_count, routing.active_group_count, routing.group_count));
}

std::string scaling_name(const RopeScaling& scaling) { return scaling.type == "default" ? "none" : scaling.type; }

void check_rotated_width(int64_t rotated_width, int64_t head_width) {
  if (rotated_width >= 2 && rotated_width % 2 == 0 && rotated_width <= head_width) return;
  throw Error(ErrorCode::kCorruptFile,
              fmt::format("{} dimensions of a head width of {} cannot be rotated in pairs", rotated_width, head_width));
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
  const json::array* classes = reader_.array("architectures");
  return classes != nullptr && std::any_of(classes->begin(), classes->end(), [&](const json::value& item) {
           return item.is_string() && item.get_string() == name;
         });
}

bool HuggingFaceConfig::is_classifier() const {
  const json::array* classes = reader_.array("architectures");
  return classes != nullptr && std::any_of(classes->begin(), classes->end(), [](const json::value& item) {
           return item.is_string() && std::string_view(item.get_string()).ends_with("ForSequenceClassification");
         });
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

int64_t GgufConfig::size(std::string_view key, std::optional<int64_t> fallback) const {
  const auto found = file_.integer(full_key(key));
  if (!found && fallback) return *fallback;
  if (!found) throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is missing", full_key(key)));
  if (*found < 1 || *found > kSizeMax) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF metadata: {} is {}; expected 1 to {}", full_key(key), *found, kSizeMax));
  }
  return *found;
}

int64_t GgufConfig::count(std::string_view key, int64_t fallback) const {
  const int64_t found = file_.integer(full_key(key)).value_or(fallback);
  if (found < 0 || found > kSizeMax) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF metadata: {} is {}; expected 0 to {}", full_key(key), found, kSizeMax));
  }
  return found;
}

int64_t GgufConfig::size_by_layer(std::string_view key, std::optional<int64_t> fallback, const ModelSpec& spec,
                                  std::vector<int64_t>& by_layer) const {
  const auto found = file_.metadata().find(full_key(key));
  const auto* list = found == file_.metadata().end() ? nullptr : std::get_if<std::vector<int64_t>>(&found->second);
  if (list == nullptr) return size(key, fallback);
  const auto is_size = [](int64_t value) { return value >= 1 && value <= kSizeMax; };
  if (static_cast<int64_t>(list->size()) != spec.layer_count || !std::all_of(list->begin(), list->end(), is_size)) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} has {} entries for {} layers; expected 1 to {}",
                                                     full_key(key), list->size(), spec.layer_count, kSizeMax));
  }
  if (std::adjacent_find(list->begin(), list->end(), std::not_equal_to<>()) != list->end()) by_layer = *list;
  return list->front();
}

std::optional<double> GgufConfig::number(std::string_view key) const {
  const auto found = file_.number(full_key(key));
  if (found && !std::isfinite(*found)) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is not finite", full_key(key)));
  }
  return found;
}

std::optional<float> GgufConfig::positive(std::string_view key) const {
  const auto found = number(key);
  if (!found || *found == 0) return std::nullopt;
  if (!(*found >= 1e-9 && *found <= 1e9)) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF metadata: {} is {}; expected 1e-9 to 1e9", full_key(key), *found));
  }
  return static_cast<float>(*found);
}

std::optional<float> GgufConfig::epsilon(std::string_view key) const {
  const auto found = number(key);
  if (!found) return std::nullopt;
  if (!(*found >= 0 && *found < 1)) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is {}", full_key(key), *found));
  }
  return static_cast<float>(*found);
}

ModelSpec GgufConfig::common_spec() const {
  ModelSpec spec;
  spec.architecture = prefix_;
  spec.layer_count = size("block_count", std::nullopt);
  spec.width = size("embedding_length", std::nullopt);
  spec.query_head_count = size("attention.head_count", std::nullopt);
  spec.key_value_head_count =
      size_by_layer("attention.head_count_kv", spec.query_head_count, spec, spec.key_value_head_counts);
  spec.head_width = size("attention.key_length", spec.width / spec.query_head_count);
  spec.feed_forward_width = size_by_layer("feed_forward_length", std::nullopt, spec, spec.feed_forward_widths);
  spec.context_length = size("context_length", std::nullopt);
  spec.norm_epsilon = epsilon("attention.layer_norm_rms_epsilon").value_or(1e-6f);
  const auto table = file_.find("token_embd.weight");
  if (!table || table->shape().rank() != 2) {
    throw Error(ErrorCode::kCorruptFile, "GGUF: the tensor token_embd.weight [vocabulary, width] is missing");
  }
  spec.vocabulary_size = table->shape()[0];
  spec.has_tied_output = !file_.find("output.weight").has_value();
  if (const auto score = file_.find("cls.output.weight")) spec.label_count = score->shape()[0];
  check_spec(spec, "GGUF metadata");
  if (size("attention.value_length", spec.head_width) != spec.head_width) {
    throw Error(ErrorCode::kUnsupported,
                "GGUF metadata: keys and values of different width are not supported for this architecture");
  }
  spec.rope = rope(spec);
  return spec;
}

RopeParameters GgufConfig::rope(ModelSpec& spec) const {
  RopeScaling scaling;
  scaling.rotated_width = size("rope.dimension_count", spec.head_width);
  check_rotated_width(scaling.rotated_width, spec.head_width);
  scaling.theta = number("rope.freq_base").value_or(10000);
  scaling.factor = number("rope.scaling.factor");
  if (!scaling.factor) scaling.factor = number("rope.scale_linear");
  scaling.beta_fast = number("rope.scaling.yarn_beta_fast").value_or(scaling.beta_fast);
  scaling.beta_slow = number("rope.scaling.yarn_beta_slow").value_or(scaling.beta_slow);
  if (!(scaling.theta >= 1) || !(scaling.factor.value_or(1) > 0)) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF metadata: {} or its scaling factor is out of range", full_key("rope.freq_base")));
  }
  scaling.original_context_length = size("rope.scaling.original_context_length", spec.context_length);
  const std::string type = file_.string(full_key("rope.scaling.type")).value_or("none");
  scaling.type = type == "none" ? "default" : type;
  // The spelling of old files.
  if (!file_.string(full_key("rope.scaling.type")) && scaling.factor.value_or(1) != 1) scaling.type = "linear";
  const auto pair_count = static_cast<size_t>(scaling.rotated_width / 2);
  // LongRoPE's stretch comes as two tables of divisors, and its attention factor as below.
  if (file_.find("rope_factors_long.weight")) {
    scaling.type = "longrope";
    scaling.attention_factor = 1;
    const std::vector<float> of_short = divisors("rope_factors_short.weight", pair_count);
    const std::vector<float> of_long = divisors("rope_factors_long.weight", pair_count);
    scaling.short_divisors.assign(of_short.begin(), of_short.end());
    scaling.long_divisors.assign(of_long.begin(), of_long.end());
  }
  RopeParameters parameters = rope_parameters(scaling);
  spec.rope_scaling = scaling_name(scaling);
  spec.rope_source = scaling;
  for (const std::string_view key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}) {
    const double factor = number(key).value_or(1);
    if (!(factor > 0))
      throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is {}", full_key(key), factor));
    parameters.magnitude *= static_cast<float>(factor);
  }
  // llama3's stretch comes as a table of divisors.
  if (file_.find("rope_freqs.weight")) {
    const std::vector<float> of_llama3 = divisors("rope_freqs.weight", pair_count);
    for (size_t i = 0; i < pair_count; ++i) parameters.inverse_frequencies[i] /= of_llama3[i];
    spec.rope_scaling = "llama3";
  }
  return parameters;
}

std::vector<float> GgufConfig::divisors(std::string_view tensor, size_t count) const {
  const auto found = file_.find(tensor);
  if (!found || found->type() != ElementType::kF32 || found->shape().element_count() != static_cast<int64_t>(count)) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF: {} is {}; expected f32 [{}]", tensor,
                            found ? fmt::format("{} {}", element_type_name(found->type()), found->shape().to_string())
                                  : "missing",
                            count));
  }
  std::vector<float> values(count);
  decode_function(ElementType::kF32)(found->data(), values.data(), static_cast<int64_t>(count));
  for (const float value : values) {
    if (!(value > 0 && std::isfinite(value))) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF: {} holds a divisor of {}", tensor, value));
    }
  }
  return values;
}

void GgufConfig::read_biases(ModelSpec& spec) const {
  const auto has = [&](std::string_view tensor) { return file_.find(tensor).has_value(); };
  spec.has_query_key_value_bias = has("blk.0.attn_q.bias");
  spec.has_attention_output_bias = has("blk.0.attn_output.bias");
  spec.has_feed_forward_bias = has("blk.0.ffn_up.bias");
}

void GgufConfig::read_window(ModelSpec& spec, const LayerRule& is_local) const {
  const int64_t window = file_.integer(full_key("attention.sliding_window")).value_or(0);
  if (window == 0) return;
  spec.window = size("attention.sliding_window", std::nullopt);
  const auto pattern = file_.metadata().find(full_key("attention.sliding_window_pattern"));
  if (pattern == file_.metadata().end()) {
    spec.local_layers = list_layers(spec, is_local);
  } else if (const auto* layers = std::get_if<std::vector<bool>>(&pattern->second)) {
    if (static_cast<int64_t>(layers->size()) != spec.layer_count) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} has {} entries for {} layers", pattern->first,
                                                       layers->size(), spec.layer_count));
    }
    spec.local_layers = *layers;
  } else {
    const int64_t period = size("attention.sliding_window_pattern", std::nullopt);
    spec.local_layers = list_layers(spec, [&](int64_t layer) { return (layer + 1) % period != 0; });
  }
}

void GgufConfig::read_experts(ModelSpec& spec) const {
  spec.routing.expert_count = size("expert_count", std::nullopt);
  spec.routing.active_count = size("expert_used_count", std::nullopt);
  spec.expert_width = size("expert_feed_forward_length", spec.feed_forward_width);
  check_experts(spec, "GGUF metadata");
}

void GgufConfig::refuse_other_families(std::initializer_list<std::string_view> understood) const {
  struct Neutral {
    std::string_view key;
    std::vector<double> values;
  };
  static const Neutral kKeys[] = {
      {"expert_count", {0}},
      {"expert_shared_count", {0}},
      {"expert_group_count", {0, 1}},
      {"expert_weights_scale", {0, 1}},
      {"expert_gating_func", {0, 1}},  // softmax
      {"attention.sliding_window", {0}},
      {"attention.clamp_kqv", {0}},
      {"attention.max_alibi_bias", {0}},
      {"attention.causal", {1}},
      {"attention.scale", {0}},
      {"attn_logit_softcapping", {0}},
      {"final_logit_softcapping", {0}},
      {"logit_scale", {0, 1}},
      {"residual_scale", {0, 1}},
      {"embedding_scale", {0, 1}},
      {"rope.scaling.yarn_log_multiplier", {0}},
      {"rope.scaling.yarn_ext_factor", {-1, 1}},
  };
  for (const Neutral& neutral : kKeys) {
    if (std::find(understood.begin(), understood.end(), neutral.key) != understood.end()) continue;
    require_neutral(neutral.key, neutral.values);
  }
}

void GgufConfig::require_neutral(std::string_view key, const std::vector<double>& neutral_values) const {
  const auto found = file_.metadata().find(full_key(key));
  if (found == file_.metadata().end()) return;
  double value = NAN;
  if (const auto* boolean = std::get_if<bool>(&found->second)) value = *boolean ? 1 : 0;
  if (std::holds_alternative<int64_t>(found->second) || std::holds_alternative<uint64_t>(found->second) ||
      std::holds_alternative<double>(found->second)) {
    value = number(key).value_or(NAN);
  }
  if (std::find(neutral_values.begin(), neutral_values.end(), value) != neutral_values.end()) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("GGUF metadata: this value of {} is not supported for this architecture", full_key(key)));
}

void check_spec(const ModelSpec& spec, std::string_view source) {
  const auto fail = [&](std::string_view what) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", source, what));
  };
  if (spec.query_head_count % spec.key_value_head_count != 0) {
    fail(fmt::format("{} query heads cannot share {} key/value heads", spec.query_head_count,
                     spec.key_value_head_count));
  }
  if (spec.head_width < 1 || spec.head_width > kHeadWidthMax) {
    fail(fmt::format("a head width of {}; expected 1 to {}", spec.head_width, kHeadWidthMax));
  }
  for (const int64_t width : spec.head_widths) {
    if (width < 1 || width > kHeadWidthMax) {
      fail(fmt::format("a head width of {}; expected 1 to {}", width, kHeadWidthMax));
    }
  }
  for (const int64_t count : spec.key_value_head_counts) {
    if (count < 1 || spec.query_head_count % count != 0) {
      fail(fmt::format("{} query heads cannot share {} key/value heads", spec.query_head_count, count));
    }
  }
  for (int64_t layer = 0; layer < static_cast<int64_t>(spec.key_value_sources.size()); ++layer) {
    const int64_t read = spec.key_value_sources[static_cast<size_t>(layer)];
    const bool fits = read == layer || (read >= 0 && read < layer && spec.key_value_source_of(read) == read &&
                                        spec.head_width_of(read) == spec.head_width_of(layer) &&
                                        spec.key_value_head_count_of(read) == spec.key_value_head_count_of(layer));
    if (!fits) fail(fmt::format("layer {} cannot read the keys and values of layer {}", layer, read));
  }
  if (spec.layer_count > 4096) fail(fmt::format("{} layers", spec.layer_count));
  if (spec.query_head_count * spec.head_width > kSizeMax) {
    fail(fmt::format("{} heads of width {}", spec.query_head_count, spec.head_width));
  }
}

std::vector<bool> list_layers(const ModelSpec& spec, const LayerRule& rule) {
  std::vector<bool> layers;
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) layers.push_back(rule(layer));
  return layers;
}

AttentionShape attention_shape(const ModelSpec& spec, int64_t layer) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(spec.head_width_of(layer)));
  return {.query_head_count = spec.query_head_count,
          .key_value_head_count = spec.key_value_head_count_of(layer),
          .head_width = spec.head_width_of(layer),
          .scale = spec.attention_scale.value_or(static_cast<float>(scale)),
          .window = spec.is_local(layer) ? spec.window : std::nullopt,
          .score_cap = spec.attention_cap,
          .is_causal = !spec.is_encoder};
}

}  // namespace pelton
