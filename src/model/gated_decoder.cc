#include "model/gated_decoder.h"

#include <string>

#include "model/config.h"

namespace pelton {
namespace {

class GatedDecoder {
 public:
  GatedDecoder(const ModelSpec& spec, const GatedDecoderOptions& options) : spec_(spec), options_(options) {}

  Graph lower() {
    rope_table_ = graph_.add_rope_table(spec_.rope);
    local_rope_table_ = spec_.local_rope ? graph_.add_rope_table(*spec_.local_rope) : rope_table_;
    ValueId x = graph_.embedding("embedding", spec_.vocabulary_size, spec_.width);
    x = graph_.scale(x, "embedding.scale", spec_.embedding_scale);
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) {
      graph_.set_prefix("layers." + std::to_string(layer) + ".");
      x = add_to_residual(x, attention(norm_of_input(x, "attention.norm"), layer), "attention");
      x = add_to_residual(x, feed_forward(norm_of_input(x, "mlp.norm"), layer), "mlp");
    }
    graph_.set_prefix("");
    const ValueId last = norm(graph_.select_rows(x, "select"), "norm");
    const ValueId logits = spec_.has_tied_output
                               ? graph_.linear_with(last, "output", "embedding", spec_.vocabulary_size)
                               : graph_.linear(last, "output", spec_.vocabulary_size);
    return graph_.finish(
        graph_.soft_cap(graph_.scale(logits, "output.scale", spec_.logit_scale), "output.cap", spec_.logit_cap));
  }

 private:
  static Bias bias_if(bool has_bias) { return has_bias ? Bias::kYes : Bias::kNo; }
  ValueId norm(ValueId x, std::string_view name) { return graph_.rms_norm(x, name, spec_.norm_epsilon); }
  ValueId norm_of_input(ValueId x, std::string_view name) { return options_.norms_inputs ? norm(x, name) : x; }

  ValueId add_to_residual(ValueId x, ValueId y, const std::string& block) {
    if (options_.norms_outputs) y = norm(y, block + ".output_norm");
    return graph_.add(x, graph_.scale(y, block + ".scale", spec_.residual_scale), block + ".residual");
  }

  ValueId attention(ValueId x, int64_t layer) {
    const Bias bias = bias_if(spec_.has_query_key_value_bias);
    const ValueId q = graph_.linear(x, "attention.query", spec_.query_width(), bias);
    const ValueId k = graph_.linear(x, "attention.key", spec_.key_value_width(), bias);
    const ValueId v = graph_.linear(x, "attention.value", spec_.key_value_width(), bias);
    const ValueId q_placed = place(q, "attention.query", spec_.query_head_count, layer);
    const ValueId k_placed = place(k, "attention.key", spec_.key_value_head_count, layer);
    const ValueId a = graph_.attention(q_placed, k_placed, v, "attention", attention_shape(spec_, layer),
                                       options_.has_sinks ? "attention.sinks" : "");
    return graph_.linear(a, "attention.output", spec_.width, bias_if(spec_.has_attention_output_bias));
  }

  // Queries or keys, normed and rotated.
  ValueId place(ValueId x, const std::string& name, int64_t head_count, int64_t layer) {
    if (options_.query_key_norm == QueryKeyNorm::kEachHead) {
      x = graph_.rms_norm_parts(x, name + "_norm", spec_.norm_epsilon, spec_.head_width);
    } else if (options_.query_key_norm == QueryKeyNorm::kWholeRow) {
      x = norm(x, name + "_norm");
    }
    if (!spec_.is_rotated(layer)) return x;
    const int64_t table = spec_.is_local(layer) ? local_rope_table_ : rope_table_;
    return graph_.rope(x, name + "_rope", table, {head_count, spec_.head_width});
  }

  ValueId feed_forward(ValueId x, int64_t layer) { return spec_.has_experts(layer) ? experts(x) : dense(x); }

  ValueId experts(ValueId x) {
    const ValueId logits =
        graph_.linear(x, "mlp.router", spec_.routing.expert_count, bias_if(options_.has_router_bias));
    const ClampedGate& bounds = spec_.expert_gate_bounds;
    return graph_.experts(x, logits, "mlp.experts",
                          {.routing = spec_.routing,
                           .f = bounds.limit > 0 ? GateFunction(bounds) : GateFunction(options_.gate),
                           .hidden_width = spec_.expert_width,
                           .has_biases = options_.has_expert_biases});
  }

  ValueId dense(ValueId x) {
    const Bias bias = bias_if(spec_.has_feed_forward_bias);
    const ValueId gate = graph_.linear(x, "mlp.gate", spec_.feed_forward_width, bias);
    const ValueId up = graph_.linear(x, "mlp.up", spec_.feed_forward_width, bias);
    const ValueId h = options_.gate == Nonlinearity::kSilu ? graph_.silu_gate(gate, up, "mlp.activation")
                                                           : graph_.gelu_gate(gate, up, "mlp.activation");
    return graph_.linear(h, "mlp.down", spec_.width, bias);
  }

  const ModelSpec& spec_;
  const GatedDecoderOptions& options_;
  GraphBuilder graph_;
  int64_t rope_table_ = 0;
  int64_t local_rope_table_ = 0;
};

}  // namespace

Graph lower_gated_decoder(const ModelSpec& spec, const GatedDecoderOptions& options) {
  return GatedDecoder(spec, options).lower();
}

}  // namespace pelton
