// BERT (Devlin et al. 2018, arXiv 1810.04805) and its kin (MiniLM, BGE, E5, GTE): an encoder with learned positions,
// LayerNorm after each block, biases everywhere. With a classifier over the pooled first row: a reranker.
#include <string>

#include "base/error.h"
#include "model/arch.h"
#include "model/config.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"bert"};
constexpr std::string_view kGgufNames[] = {"bert"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "bert.embeddings.word_embeddings.weight", "token_embd.weight"},
    {"position", "bert.embeddings.position_embeddings.weight", "position_embd.weight"},
    {"token_type", "bert.embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embedding.norm", "bert.embeddings.LayerNorm.weight", "token_embd_norm.weight"},
    {"embedding.norm.bias", "bert.embeddings.LayerNorm.bias", "token_embd_norm.bias"},
    {"layers.{}.attention.query", "bert.encoder.layer.{}.attention.self.query.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.query.bias", "bert.encoder.layer.{}.attention.self.query.bias", "blk.{}.attn_q.bias"},
    {"layers.{}.attention.key", "bert.encoder.layer.{}.attention.self.key.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.key.bias", "bert.encoder.layer.{}.attention.self.key.bias", "blk.{}.attn_k.bias"},
    {"layers.{}.attention.value", "bert.encoder.layer.{}.attention.self.value.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.value.bias", "bert.encoder.layer.{}.attention.self.value.bias", "blk.{}.attn_v.bias"},
    {"layers.{}.attention.output", "bert.encoder.layer.{}.attention.output.dense.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "bert.encoder.layer.{}.attention.output.dense.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.attention.norm", "bert.encoder.layer.{}.attention.output.LayerNorm.weight",
     "blk.{}.attn_output_norm.weight"},
    {"layers.{}.attention.norm.bias", "bert.encoder.layer.{}.attention.output.LayerNorm.bias",
     "blk.{}.attn_output_norm.bias"},
    {"layers.{}.mlp.up", "bert.encoder.layer.{}.intermediate.dense.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up.bias", "bert.encoder.layer.{}.intermediate.dense.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "bert.encoder.layer.{}.output.dense.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.down.bias", "bert.encoder.layer.{}.output.dense.bias", "blk.{}.ffn_down.bias"},
    {"layers.{}.mlp.norm", "bert.encoder.layer.{}.output.LayerNorm.weight", "blk.{}.layer_output_norm.weight"},
    {"layers.{}.mlp.norm.bias", "bert.encoder.layer.{}.output.LayerNorm.bias", "blk.{}.layer_output_norm.bias"},
    {"pooler", "bert.pooler.dense.weight", "cls.weight"},
    {"pooler.bias", "bert.pooler.dense.bias", "cls.bias"},
    {"classifier", "classifier.weight", "cls.output.weight"},
    {"classifier.bias", "classifier.bias", "cls.output.bias"},
};
constexpr std::string_view kUnread[] = {"bert.embeddings.position_ids", "bert.pooler.", "cls."};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"gelu"});
  reader.require("position_embedding_type", {"absolute"});
  reader.require_absent({"quantization_config"});
  reader.require_false("is_decoder");
  ModelSpec spec;
  spec.architecture = "bert";
  spec.layer_count = reader.size("num_hidden_layers", std::nullopt);
  spec.width = reader.size("hidden_size", std::nullopt);
  spec.query_head_count = spec.key_value_head_count = reader.size("num_attention_heads", std::nullopt);
  spec.head_width = spec.width / spec.query_head_count;
  spec.feed_forward_width = reader.size("intermediate_size", std::nullopt);
  spec.vocabulary_size = reader.size("vocab_size", std::nullopt);
  spec.context_length = reader.size("max_position_embeddings", 512);
  spec.norm_epsilon = reader.epsilon("layer_norm_eps").value_or(1e-12f);
  spec.token_type_count = reader.size("type_vocab_size", 2);
  spec.rope_scaling = "none";
  spec.is_encoder = true;
  if (reader.is_class("BertForSequenceClassification")) spec.label_count = reader.label_count();
  check_spec(spec, "config.json");
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "bert");
  reader.refuse_other_families({"attention.causal"});
  if (file.boolean("bert.attention.causal").value_or(false)) {
    throw Error(ErrorCode::kUnsupported, "GGUF metadata: bert.attention.causal true is not supported");
  }
  ModelSpec spec = reader.common_spec();
  spec.norm_epsilon = reader.epsilon("attention.layer_norm_epsilon").value_or(1e-12f);
  const auto table = file.find("token_types.weight");
  if (table) spec.token_type_count = table->shape()[0];
  const auto classifier = file.find("cls.output.weight");
  if (classifier) spec.label_count = classifier->shape()[0];
  spec.rope = {};
  spec.rope_source = {};
  spec.has_tied_output = false;
  spec.is_encoder = true;
  return spec;
}

Graph lower(const ModelSpec& spec) {
  GraphBuilder graph;
  ValueId x = graph.add(graph.embedding("embedding", spec.vocabulary_size, spec.width),
                        graph.position_embedding("position", spec.context_length, spec.width), "embedding.placed");
  if (spec.token_type_count > 0) {
    x = graph.add(x, graph.token_type_embedding("token_type", spec.token_type_count, spec.width), "embedding.typed");
  }
  x = graph.layer_norm(x, "embedding.norm", spec.norm_epsilon);
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    graph.set_prefix("layers." + std::to_string(layer) + ".");
    const ValueId q = graph.linear(x, "attention.query", spec.query_width(), Bias::kYes);
    const ValueId k = graph.linear(x, "attention.key", spec.key_value_width(), Bias::kYes);
    const ValueId v = graph.linear(x, "attention.value", spec.key_value_width(), Bias::kYes);
    const ValueId a = graph.attention(q, k, v, "attention", attention_shape(spec, layer));
    const ValueId placed = graph.linear(a, "attention.output", spec.width, Bias::kYes);
    x = graph.layer_norm(graph.add(x, placed, "attention.residual"), "attention.norm", spec.norm_epsilon);

    const ValueId h = graph.gelu_erf(graph.linear(x, "mlp.up", spec.feed_forward_width, Bias::kYes), "mlp.activation");
    const ValueId y = graph.linear(h, "mlp.down", spec.width, Bias::kYes);
    x = graph.layer_norm(graph.add(x, y, "mlp.residual"), "mlp.norm", spec.norm_epsilon);
  }
  graph.set_prefix("");
  x = graph.select_rows(x, "select");
  if (spec.label_count == 0) return graph.finish(x);
  constexpr float kTanh = 1;  // a soft cap at 1
  x = graph.soft_cap(graph.linear(x, "pooler", spec.width, Bias::kYes), "pooler.activation", kTanh);
  return graph.finish(graph.linear(x, "classifier", spec.label_count, Bias::kYes));
}

}  // namespace

extern const Architecture kBert = {
    .name = "bert",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .hugging_face_prefix = "bert.",
    .unread_prefixes = kUnread,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
};

}  // namespace pelton
