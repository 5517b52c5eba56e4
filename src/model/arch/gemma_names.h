// The names of Gemma 2's and 3's weights. The folders' norms hold the weight less 1.
#pragma once

#include "model/arch.h"

namespace pelton {

inline constexpr WeightForm kMinusOne = WeightForm::kMinusOneInHuggingFace;
inline constexpr WeightName kGemmaWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", kMinusOne},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.query_norm", "model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight",
     kMinusOne},
    {"layers.{}.attention.key_norm", "model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", kMinusOne},
    {"layers.{}.attention.output_norm", "model.layers.{}.post_attention_layernorm.weight",
     "blk.{}.post_attention_norm.weight", kMinusOne},
    {"layers.{}.mlp.norm", "model.layers.{}.pre_feedforward_layernorm.weight", "blk.{}.ffn_norm.weight", kMinusOne},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.output_norm", "model.layers.{}.post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight",
     kMinusOne},
    {"norm", "model.norm.weight", "output_norm.weight", kMinusOne},
    {"output", "lm_head.weight", "output.weight"},
    {"score", "score.weight", "cls.output.weight"},
};

}  // namespace pelton
