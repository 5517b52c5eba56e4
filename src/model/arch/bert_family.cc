#include "model/arch/bert_family.h"

#include <string>

namespace pelton {

ModelSpec read_bert_spec(const HuggingFaceConfig& reader, std::string_view architecture) {
  reader.require("hidden_act", {"gelu"});
  reader.require("position_embedding_type", {"absolute"});
  reader.require_absent({"quantization_config"});
  reader.require_false("is_decoder");
  ModelSpec spec;
  spec.architecture = architecture;
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
  check_spec(spec, "config.json");
  return spec;
}

Graph lower_bert(const ModelSpec& spec) {
  GraphBuilder graph;
  ValueId x = graph.add(graph.embedding("embedding", spec.vocabulary_size, spec.width),
                        graph.position_embedding("position", spec.context_length, spec.width, spec.first_position_row),
                        "embedding.placed");
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

}  // namespace pelton
