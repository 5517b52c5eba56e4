#include "model/config_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "base/check.h"
#include "base/error.h"

namespace pelton {
namespace {

constexpr double kRounding = 1e-5;  // relative; float32 numbers went through text and through other float32 numbers

bool is_close(double a, double b) { return std::abs(a - b) <= kRounding * std::abs(b); }

// 1e-6 as people wrote it, not 9.999999974752427e-07.
double shortest_double(float value) { return std::stod(fmt::format("{}", value)); }

double yarn_default_magnitude(const RopeScaling& scaling) {
  const double factor = scaling.factor.value_or(1);
  return factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0;
}

// llama.cpp has no parameters for llama3's stretch, it reads what they give.
bool is_held_as_table(const RopeScaling& scaling) { return scaling.type == "llama3"; }

bool has_rope(const ModelSpec& spec) { return spec.rope_source.rotated_width > 0; }

RopeParameters unscaled_rope(const ModelSpec& spec) {
  RopeScaling plain;
  plain.theta = spec.rope_source.theta;
  plain.rotated_width = static_cast<int64_t>(spec.rope.inverse_frequencies.size()) * 2;
  return rope_parameters(plain);
}

void add_gguf_rope(const Architecture& architecture, const std::string& prefix, const ModelSpec& spec,
                   GgufMetadata& metadata) {
  const RopeScaling& scaling = spec.rope_source;
  const auto add_number = [&](const char* key, double value) { metadata.add(prefix + key, static_cast<float>(value)); };
  metadata.add(prefix + "rope.dimension_count", static_cast<uint32_t>(scaling.rotated_width));
  add_number("rope.freq_base", scaling.theta);
  if (scaling.type == "longrope") {
    metadata.add(prefix + "rope.scaling.original_context_length",
                 static_cast<uint32_t>(scaling.original_context_length));
    return add_number("rope.scaling.attn_factor", spec.rope.magnitude);
  }
  if (scaling.type == "default" || is_held_as_table(scaling)) return;
  if (scaling.type != "linear" && scaling.type != "yarn") {
    throw Error(ErrorCode::kUnsupported, fmt::format("RoPE scaling \"{}\" cannot be written as GGUF", scaling.type));
  }
  metadata.add(prefix + "rope.scaling.type", scaling.type);
  add_number("rope.scaling.factor", scaling.factor.value_or(1));
  if (scaling.type == "linear") return;
  if (scaling.truncates != architecture.rounds_yarn_in_gguf) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("YaRN {} truncation cannot be written as GGUF: readers of {} take it otherwise",
                            scaling.truncates ? "with" : "without", architecture.name));
  }
  metadata.add(prefix + "rope.scaling.original_context_length", static_cast<uint32_t>(scaling.original_context_length));
  add_number("rope.scaling.yarn_beta_fast", scaling.beta_fast);
  add_number("rope.scaling.yarn_beta_slow", scaling.beta_slow);
  const double attention_factor = spec.rope.magnitude / yarn_default_magnitude(scaling);
  if (!is_close(attention_factor, 1)) add_number("rope.scaling.attn_factor", attention_factor);
}

// The scaling in transformers' words; what came from a table of divisors gets its parameters back.
RopeScaling named_scaling(const ModelSpec& spec) {
  const RopeScaling& scaling = spec.rope_source;
  const RopeParameters named = rope_parameters(scaling);
  const auto& frequencies = spec.rope.inverse_frequencies;
  const bool is_stretched = !std::equal(frequencies.begin(), frequencies.end(), named.inverse_frequencies.begin(),
                                        named.inverse_frequencies.end(), is_close);
  if (!is_stretched) return scaling;
  if (scaling.type == "default") {
    if (const auto llama3 = fit_llama3(scaling, frequencies)) return *llama3;
  }
  throw Error(ErrorCode::kUnsupported,
              "the table of RoPE divisors (rope_freqs.weight) is none that transformers has a name for");
}

json::object rope_object(const ModelSpec& spec) {
  const RopeScaling scaling = named_scaling(spec);
  json::object rope = {{"rope_theta", shortest_double(static_cast<float>(scaling.theta))}, {"rope_type", scaling.type}};
  if (scaling.factor && scaling.type != "default" && scaling.type != "longrope") rope["factor"] = *scaling.factor;
  if (scaling.type == "llama3" || scaling.type == "yarn" || scaling.type == "longrope") {
    rope["original_max_position_embeddings"] = scaling.original_context_length;
  }
  if (scaling.type == "llama3") {
    rope["low_freq_factor"] = scaling.low_frequency_factor;
    rope["high_freq_factor"] = scaling.high_frequency_factor;
  }
  if (scaling.type == "yarn") {
    rope["beta_fast"] = scaling.beta_fast;
    rope["beta_slow"] = scaling.beta_slow;
    if (!scaling.truncates) rope["truncate"] = false;
    rope["attention_factor"] = shortest_double(spec.rope.magnitude);
  } else if (scaling.type == "longrope") {
    rope["short_factor"] = json::array(scaling.short_divisors.begin(), scaling.short_divisors.end());
    rope["long_factor"] = json::array(scaling.long_divisors.begin(), scaling.long_divisors.end());
    rope["attention_factor"] = shortest_double(spec.rope.magnitude);
  } else if (!is_close(spec.rope.magnitude, 1)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("a RoPE magnitude of {} without YaRN has no name in transformers", spec.rope.magnitude));
  }
  return rope;
}

// How it pools would be lost.
void refuse_encoder(const Architecture& architecture, const ModelSpec& spec) {
  if (!spec.is_encoder) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("this {} is an encoder, and these cannot be converted yet", architecture.name));
}

}  // namespace

void add_gguf_config(const Architecture& architecture, const ModelSpec& spec, GgufMetadata& metadata) {
  refuse_encoder(architecture, spec);
  if (architecture.gguf_names.empty() || architecture.spec_from_gguf == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("GGUF has no name for the architecture {}", architecture.name));
  }
  const std::string name(architecture.gguf_names.front());
  const std::string prefix = name + ".";
  const auto add_size = [&](const char* key, int64_t value) {
    metadata.add(prefix + key, static_cast<uint32_t>(value));  // config_bounds.h bounds them far below
  };
  metadata.add("general.architecture", name);
  add_size("vocab_size", spec.vocabulary_size);
  add_size("context_length", spec.context_length);
  add_size("embedding_length", spec.width);
  add_size("block_count", spec.layer_count);
  add_size("feed_forward_length", spec.feed_forward_width);
  add_size("attention.head_count", spec.query_head_count);
  add_size("attention.head_count_kv", spec.key_value_head_count);
  add_size("attention.key_length", spec.head_width);
  add_size("attention.value_length", spec.head_width);
  metadata.add(prefix + "attention.layer_norm_rms_epsilon", spec.norm_epsilon);
  if (has_rope(spec)) add_gguf_rope(architecture, prefix, spec, metadata);
  if (architecture.add_gguf_config != nullptr) architecture.add_gguf_config(spec, metadata);
}

void add_gguf_experts(std::string_view name, const ModelSpec& spec, GgufMetadata& metadata) {
  const auto add = [&](std::string_view key, int64_t value) {
    metadata.add(fmt::format("{}.{}", name, key), static_cast<uint32_t>(value));
  };
  add("expert_count", spec.routing.expert_count);
  add("expert_used_count", spec.routing.active_count);
  add("expert_feed_forward_length", spec.expert_width);
}

std::vector<NamedTensor> gguf_rope_divisors(const ModelSpec& spec) {
  const auto table = [](const auto& values) {
    Tensor tensor = Tensor::f32({static_cast<int64_t>(values.size())});
    std::transform(values.begin(), values.end(), tensor.mutable_floats(),
                   [](auto value) { return static_cast<float>(value); });
    return tensor;
  };
  const RopeScaling& scaling = spec.rope_source;
  if (scaling.type == "longrope") {
    return {{"rope_factors_long.weight", table(scaling.long_divisors)},
            {"rope_factors_short.weight", table(scaling.short_divisors)}};
  }
  if (!is_held_as_table(scaling)) return {};
  std::vector<float> divisors = unscaled_rope(spec).inverse_frequencies;
  for (size_t i = 0; i < divisors.size(); ++i) divisors[i] /= spec.rope.inverse_frequencies[i];
  return {{"rope_freqs.weight", table(divisors)}};
}

const Architecture& architecture_for_gguf(const Architecture& architecture) {
  return architecture.gguf_twin != nullptr ? *architecture.gguf_twin : architecture;
}

const Architecture& architecture_for_hugging_face(const Architecture& architecture, const ModelSpec& spec) {
  return spec.window && architecture.hugging_face_windowed_twin != nullptr ? *architecture.hugging_face_windowed_twin
                                                                           : architecture;
}

void add_gguf_window(const std::string& prefix, const ModelSpec& spec, const LayerRule& is_local,
                     GgufMetadata& metadata) {
  if (!spec.window) return;
  metadata.add(prefix + "attention.sliding_window", static_cast<uint32_t>(*spec.window));
  const std::vector<bool> implied = list_layers(spec, is_local);
  const std::vector<bool> wanted = list_layers(spec, [&](int64_t layer) { return spec.is_local(layer); });
  if (wanted == implied) return;
  metadata.add(prefix + "attention.sliding_window_pattern", wanted);
}

void add_gguf_layer_norm(const std::string& prefix, const ModelSpec& spec, GgufMetadata& metadata) {
  metadata.add(prefix + "attention.layer_norm_epsilon", spec.norm_epsilon);
}

void rename_norm_epsilon(std::string_view key, json::object& config) {
  const json::value epsilon = config.at("rms_norm_eps");  // a copy: what follows may move the object's values
  config.erase("rms_norm_eps");
  config[key] = epsilon;
}

void add_hugging_face_rotated_share(const ModelSpec& spec, json::object& config) {
  const auto rotated = static_cast<double>(spec.rope_source.rotated_width);
  const auto head = static_cast<double>(spec.head_width);
  // Readers round the product down.
  double share = rotated / head;
  if (std::floor(share * head) < rotated) share = std::nextafter(share, 2.0);
  config["partial_rotary_factor"] = share;
  config.at("rope_parameters").as_object()["partial_rotary_factor"] = share;
}

void add_hugging_face_window(const ModelSpec& spec, json::object& config) {
  config["sliding_window"] = spec.window ? json::value(*spec.window) : json::value(nullptr);
  json::array types;
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    types.emplace_back(spec.window && spec.is_local(layer) ? "sliding_attention" : "full_attention");
  }
  config["layer_types"] = std::move(types);
}

float attention_scale(const ModelSpec& spec) { return attention_shape(spec, 0).scale; }

json::value query_scalar(const ModelSpec& spec) {
  const double scalar = std::pow(static_cast<double>(attention_scale(spec)), -2);
  if (is_close(scalar, std::round(scalar))) return std::llround(scalar);
  return shortest_double(static_cast<float>(scalar));
}

json::value number_or_null(std::optional<float> value) {
  return value ? json::value(shortest_double(*value)) : json::value(nullptr);
}

json::object hugging_face_config(const Architecture& architecture, const ModelSpec& spec) {
  refuse_encoder(architecture, spec);
  if (architecture.hugging_face_types.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("transformers has no name for the architecture {}", architecture.name));
  }
  json::object config;
  if (!architecture.hugging_face_class.empty()) {
    config["architectures"] = json::array{json::string(architecture.hugging_face_class)};
  }
  config["model_type"] = architecture.hugging_face_types.front();
  config["vocab_size"] = spec.vocabulary_size;
  config["max_position_embeddings"] = spec.context_length;
  config["hidden_size"] = spec.width;
  config["num_hidden_layers"] = spec.layer_count;
  config["intermediate_size"] = spec.feed_forward_width;
  config["num_attention_heads"] = spec.query_head_count;
  config["num_key_value_heads"] = spec.key_value_head_count;
  config["head_dim"] = spec.head_width;
  config["rms_norm_eps"] = shortest_double(spec.norm_epsilon);
  config["tie_word_embeddings"] = spec.has_tied_output;
  // The new spelling and the old one: transformers before 5 knows only the latter.
  if (has_rope(spec)) {
    const json::object rope = rope_object(spec);
    config["rope_parameters"] = rope;
    config["rope_theta"] = rope.at("rope_theta");
    if (rope.at("rope_type") != "default") config["rope_scaling"] = rope;
  }
  if (architecture.add_hugging_face_config != nullptr) architecture.add_hugging_face_config(spec, config);
  return config;
}

namespace {

// What two readers may say with other bits, or in another form, of the same model.
ModelSpec without_rounded(ModelSpec spec) {
  const ModelSpec full = spec;
  spec.architecture.clear();
  spec.rope = {};
  spec.rope_source = {};
  spec.rope_scaling.clear();
  spec.local_rope.reset();
  spec.local_rope_source.reset();
  spec.attention_scale.reset();
  if (spec.label_count > 0) spec.has_tied_output = false;  // a classifier has no output matrix to tie
  spec.embedding_scale = spec.residual_scale = spec.logit_scale = 1;
  // Lists are empty, or say of every layer the same.
  const auto is_windowed = [&](int64_t layer) { return full.window && full.is_local(layer); };
  spec.local_layers = list_layers(full, is_windowed);
  spec.unrotated_layers = list_layers(full, [&](int64_t layer) { return !full.is_rotated(layer); });
  if (std::find(spec.local_layers.begin(), spec.local_layers.end(), true) == spec.local_layers.end()) {
    spec.window.reset();
  }
  return spec;
}

bool is_close_to(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_close);
}

bool is_same_rope(const RopeParameters& a, const RopeParameters& b) {
  return is_close(a.magnitude, b.magnitude) && is_close_to(a.inverse_frequencies, b.inverse_frequencies) &&
         is_close_to(a.long_inverse_frequencies, b.long_inverse_frequencies) && a.short_length == b.short_length;
}

}  // namespace

bool is_same_model(const ModelSpec& a, const ModelSpec& b) {
  const bool has_local_rope = a.local_rope.has_value();
  return without_rounded(a) == without_rounded(b) && is_same_rope(a.rope, b.rope) &&
         has_local_rope == b.local_rope.has_value() &&
         (!has_local_rope || is_same_rope(*a.local_rope, *b.local_rope)) &&
         is_close(attention_scale(a), attention_scale(b)) && is_close(a.embedding_scale, b.embedding_scale) &&
         is_close(a.residual_scale, b.residual_scale) && is_close(a.logit_scale, b.logit_scale);
}

}  // namespace pelton
