// What a model is, as numbers: the same for serving and training, whatever file it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/rope_scaling.h"
#include "ops/elementwise.h"
#include "ops/rope.h"
#include "ops/routing.h"
#include "text/token_id.h"

namespace pelton {

// Letters as in every shape comment: D width, H query heads, G key/value heads, K head width, F feed-forward width,
// V vocabulary, L layers.
struct ModelSpec {
  std::string architecture;  // a name from the list in arch.h
  int64_t layer_count = 0;
  int64_t width = 0;
  int64_t query_head_count = 0;
  int64_t key_value_head_count = 0;
  int64_t head_width = 0;
  int64_t feed_forward_width = 0;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;  // positions that the model was made for
  float norm_epsilon = 0;
  bool has_tied_output = false;  // the output matrix is the embedding table

  bool has_query_key_value_bias = false;
  bool has_attention_output_bias = false;
  bool has_feed_forward_bias = false;
  // Only where the family leaves it to the file:
  bool has_parallel_residual = false;    // both blocks read the same sum
  bool has_query_key_norm = false;       // of each head
  bool has_exact_gelu = false;           // GELU by the error function, not by tanh
  std::optional<float> attention_scale;  // of the scores; none: 1 / √K
  std::optional<float> attention_cap;    // of the scores, as in AttentionShape
  // Of local layers, as in AttentionShape. Local are those that the list says, by layer; empty: none.
  std::optional<int64_t> window;
  std::vector<bool> local_layers;

  // Factors on the embeddings, on what each block adds to the residual, and on the logits; then the logits' soft cap.
  float embedding_scale = 1;
  float residual_scale = 1;
  float logit_scale = 1;
  std::optional<float> logit_cap;

  // Mixture of experts; no experts: every block is dense.
  RoutingShape routing;
  int64_t expert_width = 0;            // F of each expert
  bool has_expert_correction = false;  // ExpertsCall
  int64_t shared_expert_width = 0;     // F of what every row goes to beside its experts; 0: there is none
  std::vector<bool> dense_layers;      // by layer; empty: all have experts, if the model has them
  ClampedGate expert_gate_bounds{};    // limit 0: a SiLU gate

  RopeParameters rope;
  std::optional<RopeParameters> local_rope;      // of local layers; none: as the others
  std::vector<bool> unrotated_layers;            // by layer; empty: all are rotated
  std::string rope_scaling;                      // "none", or RopeScaling's type: for people
  RopeScaling rope_source;                       // what `rope` was computed from, to write it into other files
  std::optional<RopeScaling> local_rope_source;  // likewise of `local_rope`

  // Multi-head latent attention (DeepSeek-AI 2024, arXiv 2405.04434): keys and values are made of a vector that all
  // heads share, and of each head's key a part is rotated, the same for all heads. head_width is what the attention
  // sees.
  struct Latent {
    int64_t query_rank = 0;  // 0: queries are made of the row itself
    int64_t key_value_rank = 0;
    int64_t plain_width = 0;    // of a head's query and key, not rotated
    int64_t rotated_width = 0;  // and rotated, behind it
    int64_t value_width = 0;

    friend bool operator==(const Latent&, const Latent&) = default;
  };
  std::optional<Latent> latent;

  // What differs from layer to layer, each by layer; empty: as above for all.
  std::vector<int64_t> head_widths;
  std::vector<int64_t> key_value_head_counts;
  std::vector<int64_t> feed_forward_widths;
  // The earlier layer whose keys and values it reads in place of its own, of which it has none; its own number: none
  // (cross-layer attention: Brandon et al. 2024, arXiv 2405.12981).
  std::vector<int64_t> key_value_sources;
  // > 0: each layer gets so many numbers of its own for each token (Gemma's per-layer embeddings).
  int64_t layer_input_width = 0;

  int64_t head_width_of(int64_t layer) const { return of(head_widths, layer, head_width); }
  int64_t key_value_head_count_of(int64_t layer) const {
    return of(key_value_head_counts, layer, key_value_head_count);
  }
  int64_t feed_forward_width_of(int64_t layer) const { return of(feed_forward_widths, layer, feed_forward_width); }
  int64_t key_value_source_of(int64_t layer) const { return of(key_value_sources, layer, layer); }
  int64_t query_width_of(int64_t layer) const { return query_head_count * head_width_of(layer); }
  int64_t key_value_width_of(int64_t layer) const { return key_value_head_count_of(layer) * head_width_of(layer); }
  // Of layers that are alike.
  // Encoders (BERT and its kin): attention in both directions, no output matrix; the result is the hidden state.
  bool is_encoder = false;
  int64_t token_type_count = 0;    // rows of the table of token types; 0: none
  int64_t first_position_row = 0;  // position 0's in the table of learned positions (RoBERTa)
  int64_t label_count = 0;         // of a classifier, whose scores are the result then; 0: none

  int64_t query_width() const { return query_head_count * head_width; }
  int64_t key_value_width() const { return key_value_head_count * head_width; }
  bool is_local(int64_t layer) const { return is_listed(local_layers, layer); }
  bool has_experts() const { return routing.expert_count > 0; }
  int64_t expert_layer_count() const {
    int64_t count = 0;
    for (int64_t layer = 0; layer < layer_count; ++layer) count += has_experts(layer) ? 1 : 0;
    return count;
  }
  bool has_experts(int64_t layer) const { return has_experts() && !is_listed(dense_layers, layer); }
  bool is_rotated(int64_t layer) const { return !is_listed(unrotated_layers, layer); }

  friend bool operator==(const ModelSpec&, const ModelSpec&) = default;

 private:
  static int64_t of(const std::vector<int64_t>& by_layer, int64_t layer, int64_t otherwise) {
    return by_layer.empty() ? otherwise : by_layer[static_cast<size_t>(layer)];
  }
  static bool is_listed(const std::vector<bool>& layers, int64_t layer) {
    return !layers.empty() && layers[static_cast<size_t>(layer)];
  }
};

}  // namespace pelton
