#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/rope_scaling.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// No published model comes near; a file that says more is corrupt, and nothing is allocated by it.
constexpr int64_t kSizeMax = int64_t{1} << 24;

RopeScaling scaling_from_hugging_face(const JsonReader& config, const ModelSpec& spec, const json::value* object) {
  RopeScaling scaling;
  scaling.rotated_width = spec.head_width;
  scaling.original_context_length = spec.context_length;
  scaling.theta = config.number("rope_theta", 1, 1e12).value_or(scaling.theta);
  if (object == nullptr) return scaling;

  const JsonReader rope = JsonReader::of(*object, "config.json: rope parameters");
  const auto type = rope.string("rope_type");
  scaling.type = type ? *type : rope.string("type").value_or("default");
  scaling.theta = rope.number("rope_theta", 1, 1e12).value_or(scaling.theta);
  scaling.factor = rope.number("factor", 1e-3, 1e6);
  scaling.original_context_length = rope.integer("original_max_position_embeddings", 1, kSizeMax)
                                        .value_or(config.integer("original_max_position_embeddings", 1, kSizeMax)
                                                      .value_or(scaling.original_context_length));
  scaling.low_frequency_factor = rope.number("low_freq_factor", 1e-3, 1e6).value_or(scaling.low_frequency_factor);
  scaling.high_frequency_factor = rope.number("high_freq_factor", 1e-3, 1e6).value_or(scaling.high_frequency_factor);
  scaling.beta_fast = rope.number("beta_fast", 1e-3, 1e6).value_or(scaling.beta_fast);
  scaling.beta_slow = rope.number("beta_slow", 1e-3, 1e6).value_or(scaling.beta_slow);
  scaling.truncates = rope.boolean("truncate").value_or(true);
  scaling.attention_factor = rope.number("attention_factor", 1e-3, 1e3);
  scaling.magnitude_scale = rope.number("mscale", 0, 1e3);
  scaling.magnitude_scale_all = rope.number("mscale_all_dim", 0, 1e3);
  if (rope.number("partial_rotary_factor", 0, 1).value_or(1) != 1) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: partial_rotary_factor other than 1 is not supported for this architecture");
  }
  return scaling;
}

std::string scaling_name(const RopeScaling& scaling) { return scaling.type == "default" ? "none" : scaling.type; }

}  // namespace

int64_t HuggingFaceConfig::size(std::string_view key, std::optional<int64_t> fallback) const {
  const auto found = reader_.integer(key, 1, kSizeMax);
  if (found) return *found;
  if (fallback) return *fallback;
  throw Error(ErrorCode::kCorruptFile, fmt::format("config.json: {} is missing", key));
}

ModelSpec HuggingFaceConfig::common_spec(std::string_view architecture) const try {
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
  spec.has_tied_output = reader_.boolean("tie_word_embeddings").value_or(false);
  check_spec(spec, "config.json");
  if (reader_.number("partial_rotary_factor", 0, 1).value_or(1) != 1) {
    throw Error(ErrorCode::kUnsupported, "config.json: partial_rotary_factor other than 1 is not supported here");
  }

  const json::value* rope = reader_.value("rope_parameters");
  if (rope == nullptr) rope = reader_.value("rope_scaling");
  const RopeScaling scaling = scaling_from_hugging_face(reader_, spec, rope);
  spec.rope = rope_parameters(scaling);
  spec.rope.pairing = RopePairing::kHalves;
  spec.rope_scaling = scaling_name(scaling);
  spec.rope_source = scaling;
  return spec;
} catch (const Error& error) {
  // A value of a wrong type is an argument's fault in a request, and the file's here.
  if (error.code() != ErrorCode::kInvalidArgument) throw;
  throw Error(ErrorCode::kCorruptFile, error.message());
}

void HuggingFaceConfig::require(std::string_view key, std::string_view expected) const {
  const auto found = reader_.string(key);
  if (found && *found != expected) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("config.json: {} \"{}\" is not supported for this architecture (only \"{}\")", key, *found,
                            expected));
  }
}

void HuggingFaceConfig::require_absent(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) {
    if (reader_.value(key) != nullptr) {
      throw Error(ErrorCode::kUnsupported, fmt::format("config.json: {} is not supported for this architecture", key));
    }
  }
}

void HuggingFaceConfig::require_false(std::string_view key) const {
  if (reader_.boolean(key).value_or(false)) {
    throw Error(ErrorCode::kUnsupported, fmt::format("config.json: {} is not supported for this architecture", key));
  }
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

std::optional<double> GgufConfig::number(std::string_view key) const {
  const auto found = file_.number(full_key(key));
  if (found && !std::isfinite(*found)) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is not finite", full_key(key)));
  }
  return found;
}

ModelSpec GgufConfig::common_spec() const {
  ModelSpec spec;
  spec.architecture = prefix_;
  spec.layer_count = size("block_count", std::nullopt);
  spec.width = size("embedding_length", std::nullopt);
  spec.query_head_count = size("attention.head_count", std::nullopt);
  spec.key_value_head_count = size("attention.head_count_kv", spec.query_head_count);
  spec.head_width = size("attention.key_length", spec.width / spec.query_head_count);
  spec.feed_forward_width = size("feed_forward_length", std::nullopt);
  spec.context_length = size("context_length", std::nullopt);
  spec.norm_epsilon = static_cast<float>(number("attention.layer_norm_rms_epsilon").value_or(1e-6));
  if (!(spec.norm_epsilon >= 0 && spec.norm_epsilon < 1)) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("GGUF metadata: {} is {}",
                                                     full_key("attention.layer_norm_rms_epsilon"), spec.norm_epsilon));
  }
  const auto table = file_.find("token_embd.weight");
  if (!table || table->shape().rank() != 2) {
    throw Error(ErrorCode::kCorruptFile, "GGUF: the tensor token_embd.weight [vocabulary, width] is missing");
  }
  spec.vocabulary_size = table->shape()[0];
  spec.has_tied_output = !file_.find("output.weight").has_value();
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
  if (scaling.rotated_width % 2 != 0 || scaling.rotated_width > spec.head_width) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF metadata: {} is {}; expected an even number up to {}",
                            full_key("rope.dimension_count"), scaling.rotated_width, spec.head_width));
  }
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
  if (const auto divisors = file_.find("rope_freqs.weight")) {
    divide_by_table(*divisors, parameters);
    spec.rope_scaling = "llama3";
  }
  return parameters;
}

void GgufConfig::divide_by_table(const Tensor& divisors, RopeParameters& parameters) const {
  if (divisors.type() != ElementType::kF32 ||
      divisors.shape().element_count() != static_cast<int64_t>(parameters.inverse_frequencies.size())) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("GGUF: rope_freqs.weight is {} {}; expected f32 [{}]", element_type_name(divisors.type()),
                            divisors.shape().to_string(), parameters.inverse_frequencies.size()));
  }
  std::vector<float> values(parameters.inverse_frequencies.size());
  decode_function(ElementType::kF32)(divisors.data(), values.data(), static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0)) {
      throw Error(ErrorCode::kCorruptFile, "GGUF: rope_freqs.weight holds a divisor that is not positive");
    }
    parameters.inverse_frequencies[i] /= values[i];
  }
}

void GgufConfig::require_neutral(std::string_view key, std::initializer_list<double> neutral_values) const {
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
  if (spec.head_width < 2 || spec.head_width % 2 != 0)
    fail(fmt::format("a head width of {} cannot be rotated in pairs", spec.head_width));
  if (spec.layer_count > 4096) fail(fmt::format("{} layers", spec.layer_count));
  if (spec.query_head_count * spec.head_width > kSizeMax) {
    fail(fmt::format("{} heads of width {}", spec.query_head_count, spec.head_width));
  }
}

AttentionShape attention_shape(const ModelSpec& spec) {
  return {spec.query_head_count, spec.key_value_head_count, spec.head_width,
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.head_width)))};
}

}  // namespace pelton
