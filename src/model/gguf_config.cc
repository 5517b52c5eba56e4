#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "model/config.h"
#include "model/config_bounds.h"
#include "model/rope_scaling.h"
#include "quant/blocks.h"

namespace pelton {

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

}  // namespace pelton
