// SmolLM 3 (Bakouch et al. 2025): Llama of which every fourth layer is not rotated (NoPE: Kazemnejad et al. 2023, arXiv
// 2305.19466; Yang et al. 2025, arXiv 2501.18795).
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"smollm3"};
constexpr std::string_view kGgufNames[] = {"smollm3"};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("smollm3", {.has_tied_output = true});
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  spec.has_feed_forward_bias = reader.flag("mlp_bias", false);
  const int64_t period = reader.size("no_rope_layer_interval", 4);
  const auto is_unrotated_by_rule = [&](int64_t layer) { return (layer + 1) % period == 0; };
  // In spite of its name the list says 1 of layers that are rotated.
  const auto rotated = reader.layer_flags("no_rope_layers", spec.layer_count);
  spec.unrotated_layers = list_layers(spec, is_unrotated_by_rule);
  if (rotated)
    spec.unrotated_layers = list_layers(spec, [&](int64_t i) { return !(*rotated)[static_cast<size_t>(i)]; });
  if (reader.flag("use_sliding_window", false)) {
    reader.read_window(spec, [&](int64_t layer) { return !spec.is_rotated(layer); });
  }
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "smollm3");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  spec.rope.pairing = RopePairing::kInterleaved;
  reader.read_biases(spec);
  spec.unrotated_layers = list_layers(spec, [](int64_t layer) { return (layer + 1) % 4 == 0; });
  return spec;
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
  config["mlp_bias"] = spec.has_feed_forward_bias;
  config["use_sliding_window"] = false;  // GGUF knows none of this family
  config["no_rope_layer_interval"] = 4;
  json::array rotated;
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) rotated.emplace_back(spec.is_rotated(layer) ? 1 : 0);
  config["no_rope_layers"] = std::move(rotated);
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kSmolLm3 = {
    .name = "smollm3",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .interleaves_heads_in_gguf = true,
    .hugging_face_class = "SmolLM3ForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
