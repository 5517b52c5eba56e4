// GPT-2 (Radford et al. 2019): LayerNorm before each block, learned positions, biases everywhere, a feed-forward block
// without a gate, tied output. The folders' matrices are transposed.
#include <string>

#include "model/arch.h"
#include "model/config.h"
#include "model/config_writer.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gpt2"};
constexpr std::string_view kGgufNames[] = {"gpt2"};

constexpr WeightForm kTransposed = WeightForm::kTransposedInHuggingFace;
constexpr WeightName kWeightNames[] = {
    {"embedding", "transformer.wte.weight", "token_embd.weight"},
    {"position", "transformer.wpe.weight", "position_embd.weight"},
    {"layers.{}.attention.norm", "transformer.h.{}.ln_1.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.norm.bias", "transformer.h.{}.ln_1.bias", "blk.{}.attn_norm.bias"},
    {"layers.{}.attention.query", "transformer.h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", kTransposed},
    {"layers.{}.attention.key", "transformer.h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", kTransposed},
    {"layers.{}.attention.value", "transformer.h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", kTransposed},
    {"layers.{}.attention.query.bias", "transformer.h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"},
    {"layers.{}.attention.key.bias", "transformer.h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"},
    {"layers.{}.attention.value.bias", "transformer.h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"},
    {"layers.{}.attention.output", "transformer.h.{}.attn.c_proj.weight", "blk.{}.attn_output.weight", kTransposed},
    {"layers.{}.attention.output.bias", "transformer.h.{}.attn.c_proj.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.mlp.norm", "transformer.h.{}.ln_2.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.norm.bias", "transformer.h.{}.ln_2.bias", "blk.{}.ffn_norm.bias"},
    {"layers.{}.mlp.up", "transformer.h.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight", kTransposed},
    {"layers.{}.mlp.up.bias", "transformer.h.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "transformer.h.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight", kTransposed},
    {"layers.{}.mlp.down.bias", "transformer.h.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"},
    {"norm", "transformer.ln_f.weight", "output_norm.weight"},
    {"norm.bias", "transformer.ln_f.bias", "output_norm.bias"},
    {"output", "lm_head.weight", "output.weight"},
};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  reader.require_false("add_cross_attention");
  reader.require_false("scale_attn_by_inverse_layer_idx");
  reader.require_true("scale_attn_weights");
  ModelSpec spec;
  spec.architecture = "gpt2";
  spec.layer_count = reader.size("n_layer", std::nullopt);
  spec.width = reader.size("n_embd", std::nullopt);
  spec.query_head_count = spec.key_value_head_count = reader.size("n_head", std::nullopt);
  spec.head_width = spec.width / spec.query_head_count;
  spec.feed_forward_width = reader.size("n_inner", 4 * spec.width);
  spec.vocabulary_size = reader.size("vocab_size", std::nullopt);
  spec.context_length = reader.size("n_positions", std::nullopt);
  spec.norm_epsilon = reader.positive("layer_norm_epsilon").value_or(1e-5f);
  spec.has_tied_output = reader.flag("tie_word_embeddings", true);
  spec.rope_scaling = "none";
  check_spec(spec, "config.json");
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gpt2");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  spec.norm_epsilon = reader.positive("attention.layer_norm_epsilon").value_or(1e-5f);
  // What the common reader takes for granted.
  spec.rope = {};
  spec.rope_source = {};
  spec.rope_scaling = "none";
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) { add_gguf_layer_norm("gpt2.", spec, metadata); }

// This family has words of its own for what all share.
void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  for (const char* key : {"max_position_embeddings", "hidden_size", "num_hidden_layers", "intermediate_size",
                          "num_attention_heads", "num_key_value_heads", "head_dim"}) {
    config.erase(key);
  }
  config["n_positions"] = spec.context_length;
  config["n_embd"] = spec.width;
  config["n_layer"] = spec.layer_count;
  config["n_head"] = spec.query_head_count;
  config["n_inner"] = spec.feed_forward_width;
  rename_norm_epsilon("layer_norm_epsilon", config);
  config["activation_function"] = "gelu_new";
}

Graph lower(const ModelSpec& spec) {
  GraphBuilder graph;
  const ValueId tokens = graph.embedding("embedding", spec.vocabulary_size, spec.width);
  ValueId x = graph.add(tokens, graph.position_embedding("position", spec.context_length, spec.width), "residual");
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    graph.set_prefix("layers." + std::to_string(layer) + ".");

    const ValueId n = graph.layer_norm(x, "attention.norm", spec.norm_epsilon);
    const ValueId q = graph.linear(n, "attention.query", spec.query_width(), Bias::kYes);
    const ValueId k = graph.linear(n, "attention.key", spec.key_value_width(), Bias::kYes);
    const ValueId v = graph.linear(n, "attention.value", spec.key_value_width(), Bias::kYes);
    const ValueId a = graph.attention(q, k, v, "attention", attention_shape(spec, layer));
    x = graph.add(x, graph.linear(a, "attention.output", spec.width, Bias::kYes), "attention.residual");

    const ValueId m = graph.layer_norm(x, "mlp.norm", spec.norm_epsilon);
    const ValueId h = graph.gelu(graph.linear(m, "mlp.up", spec.feed_forward_width, Bias::kYes), "mlp.activation");
    x = graph.add(x, graph.linear(h, "mlp.down", spec.width, Bias::kYes), "mlp.residual");
  }
  graph.set_prefix("");
  const ValueId last = graph.layer_norm(graph.select_rows(x, "select"), "norm", spec.norm_epsilon);
  return graph.finish(spec.has_tied_output ? graph.linear_with(last, "output", "embedding", spec.vocabulary_size)
                                           : graph.linear(last, "output", spec.vocabulary_size));
}

}  // namespace

extern const Architecture kGpt2 = {
    .name = "gpt2",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .hugging_face_prefix = "transformer.",
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "GPT2LMHeadModel",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
