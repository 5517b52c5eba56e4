// Names that decoders of many families share, in pieces. The rows of their heads have one order in files of either
// kind.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "model/arch.h"

namespace pelton {

inline constexpr WeightName kOuterNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
    {"score", "score.weight", "cls.output.weight"},
};

inline constexpr WeightName kInputNormNames[] = {
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
};

inline constexpr WeightName kAttentionNames[] = {
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.query.bias", "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias"},
    {"layers.{}.attention.query_norm", "model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.key.bias", "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias"},
    {"layers.{}.attention.key_norm", "model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.value.bias", "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias"},
};

inline constexpr WeightName kFeedForwardNames[] = {
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
};

// A tensor an expert in folders, one for all of them in GGUF.
inline constexpr WeightName kExpertNames[] = {
    {"layers.{}.mlp.router", "model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.mlp.experts.{}.gate", "model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"},
    {"layers.{}.mlp.experts.{}.up", "model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"},
    {"layers.{}.mlp.experts.{}.down", "model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"},
};

// One table of several.
template <size_t... kSizes>
constexpr std::array<WeightName, (kSizes + ...)> join_names(const WeightName (&... tables)[kSizes]) {
  std::array<WeightName, (kSizes + ...)> joined{};
  auto end = joined.begin();
  ((end = std::copy(std::begin(tables), std::end(tables), end)), ...);
  return joined;
}

}  // namespace pelton
