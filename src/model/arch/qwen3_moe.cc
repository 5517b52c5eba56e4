// Qwen 3, mixture of experts (Yang et al. 2025, arXiv 2505.09388): Qwen 3 with experts in place of the feed-forward
// blocks, of all layers or of those that the file says.
#include <algorithm>

#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"qwen3_moe"};
constexpr std::string_view kGgufNames[] = {"qwen3moe"};

constexpr auto kWeightNames =
    join_names(kOuterNames, kInputNormNames, kAttentionNames, kFeedForwardNames, kExpertNames);

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("qwen3-moe");
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  if (reader.flag("use_sliding_window", false)) reader.read_window(spec, [](int64_t) { return true; });
  reader.read_experts(spec, {.count = "num_experts", .width = "moe_intermediate_size"});
  if (!reader.flag("norm_topk_prob", false)) spec.routing.weights = RoutingWeights::kSoftmaxOfAll;
  const int64_t period = reader.size("decoder_sparse_step", 1);
  const std::vector<int64_t> dense = reader.layer_numbers("mlp_only_layers");
  spec.dense_layers = list_layers(spec, [&](int64_t layer) {
    return (layer + 1) % period != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end();
  });
  const auto& layers = spec.dense_layers;
  if (std::find(layers.begin(), layers.end(), true) == layers.end()) spec.dense_layers.clear();
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "qwen3moe");
  reader.refuse_other_families({"expert_count"});
  ModelSpec spec = reader.common_spec();
  spec.architecture = "qwen3-moe";
  reader.read_experts(spec);
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) { add_gguf_experts("qwen3moe", spec, metadata); }

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = false;
  config["num_experts"] = spec.routing.expert_count;
  config["num_experts_per_tok"] = spec.routing.active_count;
  config["moe_intermediate_size"] = spec.expert_width;
  config["norm_topk_prob"] = spec.routing.weights == RoutingWeights::kSoftmaxOfChosen;
  config["decoder_sparse_step"] = 1;
  config["mlp_only_layers"] = json::array();
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {.query_key_norm = QueryKeyNorm::kEachHead}); }

}  // namespace

extern const Architecture kQwen3Moe = {
    .name = "qwen3-moe",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .has_experts = true,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Qwen3MoeForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
