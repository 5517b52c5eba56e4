// RoBERTa (Liu et al. 2019, arXiv 1907.11692) and XLM-RoBERTa (BGE-M3, E5 multilingual, their rerankers): BERT whose
// positions count from behind that of padding, and whose classifier has its own layer over the first row. Their GGUF
// files are BERT's.
#include "base/error.h"
#include "model/arch.h"
#include "model/arch/bert_family.h"
#include "model/config.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"xlm-roberta", "roberta"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "roberta.embeddings.word_embeddings.weight", "token_embd.weight"},
    {"position", "roberta.embeddings.position_embeddings.weight", "position_embd.weight"},
    {"token_type", "roberta.embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embedding.norm", "roberta.embeddings.LayerNorm.weight", "token_embd_norm.weight"},
    {"embedding.norm.bias", "roberta.embeddings.LayerNorm.bias", "token_embd_norm.bias"},
    {"layers.{}.attention.query", "roberta.encoder.layer.{}.attention.self.query.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.query.bias", "roberta.encoder.layer.{}.attention.self.query.bias", "blk.{}.attn_q.bias"},
    {"layers.{}.attention.key", "roberta.encoder.layer.{}.attention.self.key.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.key.bias", "roberta.encoder.layer.{}.attention.self.key.bias", "blk.{}.attn_k.bias"},
    {"layers.{}.attention.value", "roberta.encoder.layer.{}.attention.self.value.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.value.bias", "roberta.encoder.layer.{}.attention.self.value.bias", "blk.{}.attn_v.bias"},
    {"layers.{}.attention.output", "roberta.encoder.layer.{}.attention.output.dense.weight",
     "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "roberta.encoder.layer.{}.attention.output.dense.bias",
     "blk.{}.attn_output.bias"},
    {"layers.{}.attention.norm", "roberta.encoder.layer.{}.attention.output.LayerNorm.weight",
     "blk.{}.attn_output_norm.weight"},
    {"layers.{}.attention.norm.bias", "roberta.encoder.layer.{}.attention.output.LayerNorm.bias",
     "blk.{}.attn_output_norm.bias"},
    {"layers.{}.mlp.up", "roberta.encoder.layer.{}.intermediate.dense.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up.bias", "roberta.encoder.layer.{}.intermediate.dense.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "roberta.encoder.layer.{}.output.dense.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.down.bias", "roberta.encoder.layer.{}.output.dense.bias", "blk.{}.ffn_down.bias"},
    {"layers.{}.mlp.norm", "roberta.encoder.layer.{}.output.LayerNorm.weight", "blk.{}.layer_output_norm.weight"},
    {"layers.{}.mlp.norm.bias", "roberta.encoder.layer.{}.output.LayerNorm.bias", "blk.{}.layer_output_norm.bias"},
    {"pooler", "classifier.dense.weight", "cls.weight"},
    {"pooler.bias", "classifier.dense.bias", "cls.bias"},
    {"classifier", "classifier.out_proj.weight", "cls.output.weight"},
    {"classifier.bias", "classifier.out_proj.bias", "cls.output.bias"},
};
constexpr std::string_view kUnread[] = {"roberta.embeddings.position_ids", "roberta.pooler.", "lm_head."};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  ModelSpec spec = read_bert_spec(reader, "roberta");
  spec.first_position_row = reader.count("pad_token_id", 1) + 1;
  spec.context_length -= spec.first_position_row;  // config.json counts rows of the table
  if (spec.context_length < 1) {
    throw Error(ErrorCode::kCorruptFile, "config.json: max_position_embeddings leaves no position behind pad_token_id");
  }
  if (reader.is_class("XLMRobertaForSequenceClassification") || reader.is_class("RobertaForSequenceClassification")) {
    spec.label_count = reader.label_count();
  }
  return spec;
}

}  // namespace

extern const Architecture kRoberta = {
    .name = "roberta",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = {},
    .weight_names = kWeightNames,
    .hugging_face_prefix = "roberta.",
    .unread_prefixes = kUnread,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = nullptr,
    .lower = lower_bert,
};

}  // namespace pelton
