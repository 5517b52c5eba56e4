// ModernBERT (Warner et al. 2024, arXiv 2412.13663): an encoder with LayerNorm before each block, rotary positions of
// two bases, windows in two layers of three, a gated feed-forward block, no biases. With a classifier: a reranker.
#include <string>
#include <utility>

#include "base/error.h"
#include "model/arch.h"
#include "model/config.h"
#include "model/rope_scaling.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"modernbert"};
constexpr std::string_view kGgufNames[] = {"modern-bert"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embeddings.tok_embeddings.weight", "token_embd.weight"},
    {"embedding.norm", "model.embeddings.norm.weight", "token_embd_norm.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.attn_norm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.attn.Wqkv.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.key", "model.layers.{}.attn.Wqkv.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.value", "model.layers.{}.attn.Wqkv.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.output", "model.layers.{}.attn.Wo.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.mlp_norm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.Wi.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.Wi.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.Wo.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.final_norm.weight", "output_norm.weight"},
    {"head", "head.dense.weight", "cls.weight"},
    {"head.norm", "head.norm.weight", "cls.norm.weight"},
    {"classifier", "classifier.weight", "cls.output.weight"},
    {"classifier.bias", "classifier.bias", "cls.output.bias"},
};
constexpr std::string_view kUnread[] = {"head.", "decoder.", "cls."};

constexpr int64_t kGlobalPeriod = 3;  // layers 0, 3, 6, … see everything

// A local layer sees half of `width` positions on each side.
int64_t window_of(int64_t width) { return width / 2 + 1; }

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_activation", {"gelu"});
  for (const std::string_view key : {"attention_bias", "mlp_bias", "norm_bias", "classifier_bias"}) {
    reader.require_false(key);
  }
  ModelSpec spec = reader.common_spec("modernbert");
  spec.norm_epsilon = reader.epsilon("norm_eps").value_or(1e-5f);
  spec.window = window_of(reader.size("local_attention", 128));
  const int64_t period = reader.size("global_attn_every_n_layers", kGlobalPeriod);
  spec.local_layers = reader.local_layers(spec.layer_count).value_or(list_layers(spec, [&](int64_t layer) {
    return layer % period != 0;
  }));
  if (const auto theta = reader.positive("global_rope_theta")) {
    spec.rope_source.theta = static_cast<double>(*theta);
    spec.rope = rope_parameters(spec.rope_source);
  }
  if (const auto theta = reader.positive("local_rope_theta")) {
    RopeScaling local = spec.rope_source;
    local.theta = static_cast<double>(*theta);
    spec.local_rope = rope_parameters(local);
    spec.local_rope_source = std::move(local);
  }
  spec.has_tied_output = false;
  spec.is_encoder = true;
  if (reader.is_class("ModernBertForSequenceClassification")) {
    reader.require("classifier_pooling", {"cls"});
    reader.require("classifier_activation", {"gelu"});
    spec.label_count = reader.label_count();
  }
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "modern-bert");
  reader.refuse_other_families({"attention.causal", "attention.sliding_window"});
  ModelSpec spec = reader.common_spec();
  spec.architecture = "modernbert";
  spec.norm_epsilon = reader.epsilon("attention.layer_norm_epsilon").value_or(1e-5f);
  spec.window = window_of(reader.size("attention.sliding_window", 128));
  const int64_t period = reader.size("attention.sliding_window_pattern", kGlobalPeriod);
  spec.local_layers = list_layers(spec, [&](int64_t layer) { return layer % period != 0; });
  RopeScaling local = spec.rope_source;
  local.theta = static_cast<double>(reader.positive("rope.freq_base_swa").value_or(10000));
  spec.local_rope = rope_parameters(local);
  spec.local_rope_source = std::move(local);
  if (file.find("cls.output.weight")) {
    throw Error(ErrorCode::kUnsupported,
                "GGUF: ModernBERT with a classifier is supported as a Hugging Face folder only");
  }
  spec.has_tied_output = false;
  spec.is_encoder = true;
  return spec;
}

class ModernBert {
 public:
  explicit ModernBert(const ModelSpec& spec) : spec_(spec) {}

  Graph lower() {
    rope_table_ = graph_.add_rope_table(spec_.rope);
    local_rope_table_ = spec_.local_rope ? graph_.add_rope_table(*spec_.local_rope) : rope_table_;
    ValueId x = norm(graph_.embedding("embedding", spec_.vocabulary_size, spec_.width), "embedding.norm");
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) {
      graph_.set_prefix("layers." + std::to_string(layer) + ".");
      // The embeddings are normed already.
      const ValueId a = attention(layer == 0 ? x : norm(x, "attention.norm"), layer);
      x = graph_.add(x, a, "attention.residual");
      x = graph_.add(x, feed_forward(norm(x, "mlp.norm")), "mlp.residual");
    }
    graph_.set_prefix("");
    x = norm(graph_.select_rows(x, "select"), "norm");
    if (spec_.label_count == 0) return graph_.finish(x);
    x = norm(graph_.gelu_erf(graph_.linear(x, "head", spec_.width), "head.activation"), "head.norm");
    return graph_.finish(graph_.linear(x, "classifier", spec_.label_count, Bias::kYes));
  }

 private:
  ValueId norm(ValueId x, std::string_view name) { return graph_.layer_norm(x, name, spec_.norm_epsilon, Bias::kNo); }

  ValueId attention(ValueId x, int64_t layer) {
    const int64_t table = spec_.is_local(layer) ? local_rope_table_ : rope_table_;
    const ValueId q = graph_.linear(x, "attention.query", spec_.query_width());
    const ValueId k = graph_.linear(x, "attention.key", spec_.key_value_width());
    const ValueId v = graph_.linear(x, "attention.value", spec_.key_value_width());
    const ValueId q_placed = graph_.rope(q, "attention.query_rope", table, {spec_.query_head_count, spec_.head_width});
    const ValueId k_placed =
        graph_.rope(k, "attention.key_rope", table, {spec_.key_value_head_count, spec_.head_width});
    const ValueId a = graph_.attention(q_placed, k_placed, v, "attention", attention_shape(spec_, layer));
    return graph_.linear(a, "attention.output", spec_.width);
  }

  ValueId feed_forward(ValueId x) {
    const ValueId gate = graph_.linear(x, "mlp.gate", spec_.feed_forward_width);
    const ValueId up = graph_.linear(x, "mlp.up", spec_.feed_forward_width);
    return graph_.linear(graph_.gelu_erf_gate(gate, up, "mlp.activation"), "mlp.down", spec_.width);
  }

  const ModelSpec& spec_;
  GraphBuilder graph_;
  int64_t rope_table_ = 0;
  int64_t local_rope_table_ = 0;
};

Graph lower(const ModelSpec& spec) { return ModernBert(spec).lower(); }

}  // namespace

extern const Architecture kModernBert = {
    .name = "modernbert",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .hugging_face_prefix = "model.",
    .unread_prefixes = kUnread,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
};

}  // namespace pelton
