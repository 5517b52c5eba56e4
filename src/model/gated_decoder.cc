#include "model/gated_decoder.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"

namespace pelton {
namespace {

struct KeysValues {
  ValueId keys;
  ValueId values;
};

class GatedDecoder {
 public:
  GatedDecoder(const ModelSpec& spec, const GatedDecoderOptions& options) : spec_(spec), options_(options) {}

  Graph lower() {
    rope_table_ = graph_.add_rope_table(spec_.rope);
    local_rope_table_ = spec_.local_rope ? graph_.add_rope_table(*spec_.local_rope) : rope_table_;
    ValueId x = graph_.embedding("embedding", spec_.vocabulary_size, spec_.width);
    x = graph_.scale(x, "embedding.scale", spec_.embedding_scale);
    if (spec_.layer_input_width > 0) layer_inputs_ = layer_inputs(x);
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) {
      graph_.set_prefix("layers." + std::to_string(layer) + ".");
      x = options_.residual == Residual::kSequential ? sequential_blocks(x, layer) : parallel_blocks(x, layer);
      if (layer_inputs_) x = add_layer_input(x, layer);
      if (options_.scales_layers) x = graph_.stored_scale(x, "scale");
    }
    graph_.set_prefix("");
    const ValueId last = norm(graph_.select_rows(x, "select"), "norm");
    if (spec_.label_count > 0) return graph_.finish(graph_.linear(last, "score", spec_.label_count));
    const ValueId logits = spec_.has_tied_output
                               ? graph_.linear_with(last, "output", "embedding", spec_.vocabulary_size)
                               : graph_.linear(last, "output", spec_.vocabulary_size);
    return graph_.finish(
        graph_.soft_cap(graph_.scale(logits, "output.scale", spec_.logit_scale), "output.cap", spec_.logit_cap));
  }

 private:
  static Bias bias_if(bool has_bias) { return has_bias ? Bias::kYes : Bias::kNo; }
  ValueId norm(ValueId x, std::string_view name) {
    if (options_.norm == NormKind::kRms) return graph_.rms_norm(x, name, spec_.norm_epsilon);
    return graph_.layer_norm(x, name, spec_.norm_epsilon, bias_if(options_.norm == NormKind::kLayer));
  }
  ValueId norm_of_input(ValueId x, std::string_view name) { return options_.norms_inputs ? norm(x, name) : x; }

  ValueId sequential_blocks(ValueId x, int64_t layer) {
    x = add_to_residual(x, attention(norm_of_input(x, "attention.norm"), layer), "attention");
    return add_to_residual(x, feed_forward(norm_of_input(x, "mlp.norm"), layer), "mlp");
  }

  ValueId parallel_blocks(ValueId x, int64_t layer) {
    const ValueId read = norm_of_input(x, "attention.norm");
    const ValueId also_read = options_.residual == Residual::kParallel ? norm_of_input(x, "mlp.norm") : read;
    const ValueId y = attention(read, layer);
    return add_to_residual(add_to_residual(x, y, "attention"), feed_forward(also_read, layer), "mlp");
  }

  ValueId add_to_residual(ValueId x, ValueId y, const std::string& block) {
    if (options_.norms_outputs) y = norm(y, block + ".output_norm");
    return graph_.add(x, graph_.scale(y, block + ".scale", spec_.residual_scale), block + ".residual");
  }

  ValueId attention(ValueId x, int64_t layer) {
    if (spec_.latent) return latent_attention(x, *spec_.latent, layer);
    const Bias bias = bias_if(spec_.has_query_key_value_bias);
    const ValueId q = graph_.linear(x, "attention.query", spec_.query_width_of(layer), bias);
    KeysValues made{};
    if (spec_.key_value_source_of(layer) == layer) {
      made.keys = graph_.linear(x, "attention.key", spec_.key_value_width_of(layer), bias);
      made.values = graph_.linear(x, "attention.value", spec_.key_value_width_of(layer), bias);
    }
    const ValueId q_placed = place(q, "attention.query", spec_.query_head_count, layer);
    if (spec_.key_value_source_of(layer) == layer) {
      made.keys = place(made.keys, "attention.key", spec_.key_value_head_count_of(layer), layer);
      if (options_.norms_values) {
        made.values = graph_.rms_norm_parts_unweighted(made.values, "attention.value_norm", spec_.norm_epsilon,
                                                       spec_.head_width_of(layer));
      }
      keys_values_.push_back(made);
    } else {
      keys_values_.push_back(keys_values_[static_cast<size_t>(spec_.key_value_source_of(layer))]);
    }
    const ValueId a = graph_.attention(q_placed, keys_values_.back().keys, keys_values_.back().values, "attention",
                                       attention_shape(spec_, layer), options_.has_sinks ? "attention.sinks" : "");
    return graph_.linear(a, "attention.output", spec_.width, bias_if(spec_.has_attention_output_bias));
  }

  // Keys and values are made whole for each token and kept so.
  ValueId latent_attention(ValueId x, const ModelSpec::Latent& latent, int64_t layer) {
    const int64_t heads = spec_.query_head_count;
    const int64_t query_width = latent.plain_width + latent.rotated_width;
    const Bias bias = bias_if(spec_.has_query_key_value_bias);
    ValueId q = latent_query(x, latent, heads * query_width);
    q = graph_.join(
        graph_.columns(q, "attention.query_plain", heads, 0, latent.plain_width),
        rotated(graph_.columns(q, "attention.query_rotated", heads, latent.plain_width, latent.rotated_width),
                "attention.query", heads),
        "attention.query_joined", heads, false);

    const ValueId down =
        graph_.linear(x, "attention.key_value_down", latent.key_value_rank + latent.rotated_width, bias);
    const ValueId shared = norm(graph_.columns(down, "attention.key_value_shared", 1, 0, latent.key_value_rank),
                                "attention.key_value_norm");
    const ValueId k_rotated =
        rotated(graph_.columns(down, "attention.key_rotated", 1, latent.key_value_rank, latent.rotated_width),
                "attention.key", 1);
    const ValueId up = graph_.linear(shared, "attention.key_value", heads * (latent.plain_width + latent.value_width));
    const ValueId k = graph_.join(graph_.columns(up, "attention.key_plain", heads, 0, latent.plain_width), k_rotated,
                                  "attention.key_joined", heads, true);
    const ValueId v = graph_.columns(up, "attention.value", heads, latent.plain_width, latent.value_width);

    // The attention has one width: zeros add nothing to a score, and give zeros.
    const auto padded = [&](ValueId value, std::string_view name) {
      return graph_.pad(value, name, heads, spec_.head_width);
    };
    const ValueId a = graph_.attention(padded(q, "attention.query_padded"), padded(k, "attention.key_padded"),
                                       padded(v, "attention.value_padded"), "attention", attention_shape(spec_, layer));
    const ValueId own =
        latent.value_width == spec_.head_width ? a : graph_.columns(a, "attention.own", heads, 0, latent.value_width);
    return graph_.linear(own, "attention.output", spec_.width, bias_if(spec_.has_attention_output_bias));
  }

  ValueId latent_query(ValueId x, const ModelSpec::Latent& latent, int64_t width) {
    if (latent.query_rank == 0) return graph_.linear(x, "attention.query", width);
    const ValueId down =
        graph_.linear(x, "attention.query_down", latent.query_rank, bias_if(spec_.has_query_key_value_bias));
    return graph_.linear(norm(down, "attention.query_down_norm"), "attention.query_up", width);
  }

  ValueId rotated(ValueId x, const std::string& name, int64_t head_count) {
    return graph_.rope(x, name + "_rope", rope_table_, {head_count, spec_.latent->rotated_width});
  }

  // Queries or keys, normed and rotated.
  ValueId place(ValueId x, const std::string& name, int64_t head_count, int64_t layer) {
    if (options_.query_key_norm == QueryKeyNorm::kEachHead) {
      x = graph_.rms_norm_parts(x, name + "_norm", spec_.norm_epsilon, spec_.head_width_of(layer));
    } else if (options_.query_key_norm == QueryKeyNorm::kWholeRow) {
      x = norm(x, name + "_norm");
    } else if (options_.query_key_norm == QueryKeyNorm::kLayerNormOfEachHead) {
      x = graph_.layer_norm_heads(x, name + "_norm", spec_.norm_epsilon, head_count);
    }
    if (!spec_.is_rotated(layer)) return x;
    const int64_t table = spec_.is_local(layer) ? local_rope_table_ : rope_table_;
    return graph_.rope(x, name + "_rope", table, {head_count, spec_.head_width_of(layer)});
  }

  ValueId feed_forward(ValueId x, int64_t layer) { return spec_.has_experts(layer) ? experts(x) : dense(x, layer); }

  ValueId experts(ValueId x) {
    const ValueId logits =
        graph_.linear(x, "mlp.router", spec_.routing.expert_count, bias_if(options_.has_router_bias));
    const ClampedGate& bounds = spec_.expert_gate_bounds;
    const ValueId y = graph_.experts(x, logits, "mlp.experts",
                                     {.routing = spec_.routing,
                                      .f = bounds.limit > 0 ? GateFunction(bounds) : GateFunction(options_.gate),
                                      .hidden_width = spec_.expert_width,
                                      .has_biases = options_.has_expert_biases,
                                      .has_correction = spec_.has_expert_correction});
    if (spec_.shared_expert_width == 0) return y;
    return graph_.add(y, gated_block(x, "mlp.shared", spec_.shared_expert_width, Bias::kNo), "mlp.experts_and_shared");
  }

  ValueId dense(ValueId x, int64_t layer) {
    const Bias bias = bias_if(spec_.has_feed_forward_bias);
    if (!options_.has_gate) {
      const ValueId up = graph_.linear(x, "mlp.up", spec_.feed_forward_width_of(layer), bias);
      const ValueId h = options_.gate == Nonlinearity::kGeluErf ? graph_.gelu_erf(up, "mlp.activation")
                                                                : graph_.gelu(up, "mlp.activation");
      return graph_.linear(h, "mlp.down", spec_.width, bias);
    }
    return gated_block(x, "mlp", spec_.feed_forward_width_of(layer), bias);
  }

  ValueId gated_block(ValueId x, const std::string& name, int64_t hidden_width, Bias bias) {
    const ValueId gate = graph_.linear(x, name + ".gate", hidden_width, bias);
    const ValueId up = graph_.linear(x, name + ".up", hidden_width, bias);
    return graph_.linear(gated(gate, up, name + ".activation"), name + ".down", spec_.width, bias);
  }

  ValueId gated(ValueId gate, ValueId up, std::string_view name) {
    return options_.gate == Nonlinearity::kSilu ? graph_.silu_gate(gate, up, name) : graph_.gelu_gate(gate, up, name);
  }

  // Of all layers, one after the other: of the token, and of its embedding.
  ValueId layer_inputs(ValueId embedding) {
    const int64_t width = spec_.layer_input_width;
    const int64_t all = spec_.layer_count * width;
    const ValueId token = graph_.scale(graph_.embedding("layer_input.embedding", spec_.vocabulary_size, all),
                                       "layer_input.embedding.scale", std::sqrt(static_cast<float>(width)));
    const ValueId projected =
        graph_.scale(graph_.linear(embedding, "layer_input.projection", all), "layer_input.projection.scale",
                     1 / std::sqrt(static_cast<float>(spec_.width)));
    const ValueId normed = graph_.rms_norm_parts(projected, "layer_input.norm", spec_.norm_epsilon, width);
    return graph_.scale(graph_.add(normed, token, "layer_input"), "layer_input.scale", std::sqrt(0.5f));
  }

  ValueId add_layer_input(ValueId x, int64_t layer) {
    const int64_t width = spec_.layer_input_width;
    const ValueId own = graph_.columns(*layer_inputs_, "input", 1, layer * width, width);
    const ValueId h = gated(graph_.linear(x, "input.gate", width), own, "input.activation");
    const ValueId y = norm(graph_.linear(h, "input.projection", spec_.width), "input.norm");
    return graph_.add(x, y, "input.residual");
  }

  const ModelSpec& spec_;
  const GatedDecoderOptions& options_;
  GraphBuilder graph_;
  int64_t rope_table_ = 0;
  int64_t local_rope_table_ = 0;
  std::vector<KeysValues> keys_values_;  // by layer
  std::optional<ValueId> layer_inputs_;
};

}  // namespace

Graph lower_gated_decoder(const ModelSpec& spec, const GatedDecoderOptions& options) {
  return GatedDecoder(spec, options).lower();
}

}  // namespace pelton
