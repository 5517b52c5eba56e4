// The shape of most decoder-only models: norms, rotary attention with grouped query heads, gated feed-forward. What a
// model's files decide stands in its spec; what its family adds, here.
#pragma once

#include "model/graph.h"
#include "model/spec.h"
#include "ops/elementwise.h"

namespace pelton {

// Of queries and keys, before they are rotated.
enum class QueryKeyNorm : uint8_t {
  kNone,
  kEachHead,             // RMS, one weight for all heads
  kWholeRow,             // as the rows' norm
  kLayerNormOfEachHead,  // a weight for each head
};

enum class NormKind : uint8_t { kRms, kLayer, kLayerWithoutBias };

// What the feed-forward block reads.
enum class Residual : uint8_t {
  kSequential,       // the sum with what attention gave
  kParallel,         // what attention reads, with a norm of its own
  kParallelOneNorm,  // what attention reads, norm included
};

struct GatedDecoderOptions {
  NormKind norm = NormKind::kRms;  // of rows
  Residual residual = Residual::kSequential;
  bool has_gate = true;                     // false: mlp.down(f(mlp.up(x)))
  Nonlinearity gate = Nonlinearity::kSilu;  // or f of a block without one, which is a form of GELU
  QueryKeyNorm query_key_norm = QueryKeyNorm::kNone;
  bool norms_inputs = true;    // of attention and feed-forward: "attention.norm", "mlp.norm"
  bool norms_outputs = false;  // of the same, before they join the residual: "attention.output_norm", …
  bool norms_values = false;   // of each head, without a weight
  bool scales_layers = false;  // what a layer gives, by a number that the file holds: "scale"
  bool has_sinks = false;      // in every layer: "attention.sinks" [H]
  bool has_router_bias = false;
  bool has_expert_biases = false;
};

// Canonical names: "embedding", "layers.N.attention.query", .key, .value, .output, "layers.N.mlp.gate", .up, .down,
// "norm", "output", or of a classifier "score" in its place; where layers have inputs of their own
// "layer_input.embedding", .projection, .norm, "layers.N.input.gate", .projection, .norm; the norms above,
// "layers.N.attention.query_norm" and .key_norm. Where a layer has experts it has, in place of the three of its "mlp",
// "layers.N.mlp.router" [E, D], "layers.N.mlp.experts.E.gate", .up, .down, and where every row goes to another one
// "layers.N.mlp.shared.gate", .up, .down. Latent attention has "layers.N.attention.query", or .query_down,
// .query_down_norm, .query_up, and .key_value_down, .key_value_norm, .key_value, .output.
Graph lower_gated_decoder(const ModelSpec& spec, const GatedDecoderOptions& options);

}  // namespace pelton
