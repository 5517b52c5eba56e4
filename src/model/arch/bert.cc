// BERT (Devlin et al. 2018, arXiv 1810.04805) and its kin (MiniLM, BGE, E5, GTE): an encoder with learned positions,
// LayerNorm after each block, biases everywhere. With a classifier over the pooled first row: a reranker.
#include "base/error.h"
#include "model/arch.h"
#include "model/arch/bert_family.h"
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
  ModelSpec spec = read_bert_spec(reader, "bert");
  if (reader.is_class("BertForSequenceClassification")) spec.label_count = reader.label_count();
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
    .lower = lower_bert,
};

}  // namespace pelton
