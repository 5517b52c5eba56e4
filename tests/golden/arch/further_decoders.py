"""Decoders that are not shaped as Llama, for make_relatives.py, written from transformers' modeling files (5.24)."""

import math

import autograd.numpy as np
import numpy
from autograd.extend import defvjp, primitive
from autograd.tracer import getval
from make_relatives import Decoder, gelu, rotate

erf = primitive(numpy.vectorize(math.erf, otypes=[float]))
defvjp(erf, lambda _, x: lambda g: g * 2 / math.sqrt(math.pi) * np.exp(-x * x))

FOLDERS = {
    "starcoder2": {"model_type": "starcoder2", "rms_norm_eps": None, "norm_epsilon": 1e-5, "sliding_window": 12,
                   "use_bias": True, "hidden_act": "gelu_pytorch_tanh"},
    "gpt-neox": {"model_type": "gpt_neox", "rms_norm_eps": None, "layer_norm_eps": 1e-5, "num_key_value_heads": None,
                 "hidden_act": "gelu_new", "attention_bias": True, "use_parallel_residual": True,
                 "tie_word_embeddings": False,
                 "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.4}},
    "gpt-neox-exact": {"model_type": "gpt_neox", "rms_norm_eps": None, "layer_norm_eps": 1e-5, "num_key_value_heads": None,
                       "num_hidden_layers": 2, "hidden_act": "gelu", "attention_bias": True,
                       "use_parallel_residual": False, "tie_word_embeddings": False,
                       "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.4}},
    "cohere": {"model_type": "cohere", "rms_norm_eps": None, "layer_norm_eps": 1e-5, "logit_scale": 0.25,
               "attention_bias": False, "use_qk_norm": False},
    "cohere-qk-norm": {"model_type": "cohere", "rms_norm_eps": None, "layer_norm_eps": 1e-5, "logit_scale": 0.25,
                       "num_hidden_layers": 2, "attention_bias": False, "use_qk_norm": True},
    "glm4": {"model_type": "glm4", "head_dim": 12, "attention_bias": True, "tie_word_embeddings": False,
             "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}},
    "deepseek-dense": {"model_type": "deepseek_v3", "num_key_value_heads": 4, "tie_word_embeddings": False,
                       "q_lora_rank": 20, "kv_lora_rank": 16, "qk_nope_head_dim": 10, "qk_rope_head_dim": 6,
                       "v_head_dim": 12, "head_dim": 6, "rope_interleave": True, "attention_bias": False,
                       "n_routed_experts": 8, "first_k_dense_replace": 4},
}  # fmt: skip
LATENT = {"num_hidden_layers": 3, "num_key_value_heads": 4, "tie_word_embeddings": False, "kv_lora_rank": 16,
          "qk_nope_head_dim": 10, "qk_rope_head_dim": 6, "v_head_dim": 12, "head_dim": 6, "attention_bias": False,
          "first_k_dense_replace": 1, "n_routed_experts": 8, "moe_intermediate_size": 20, "n_group": 4, "topk_group": 2,
          "num_experts_per_tok": 3}  # fmt: skip
FOLDERS |= {
    "deepseek-v2": {"model_type": "deepseek_v2", **LATENT, "q_lora_rank": None, "n_shared_experts": 2,
                    "topk_method": "group_limited_greedy", "norm_topk_prob": False, "routed_scaling_factor": 1.5},
    "deepseek-v2-greedy": {"model_type": "deepseek_v2", **LATENT, "q_lora_rank": None, "n_shared_experts": None,
                           "topk_method": "greedy", "norm_topk_prob": False, "routed_scaling_factor": 1.0,
                           "num_hidden_layers": 2, "first_k_dense_replace": 0, "n_group": None, "topk_group": None},
    "deepseek-v3": {"model_type": "deepseek_v3", **LATENT, "q_lora_rank": 20, "n_shared_experts": 1,
                    "rope_interleave": True, "norm_topk_prob": True, "routed_scaling_factor": 2.5},
}  # fmt: skip


def rotate_neighbours(x, cosines, sines):
    """Pairs (2i, 2i + 1) of the first dimensions."""
    width = 2 * cosines.shape[1]
    a, b = x[..., 0:width:2], x[..., 1:width:2]
    turned = np.stack([a * cosines - b * sines, b * cosines + a * sines], axis=-1).reshape(x.shape[:-1] + (width,))
    return np.concatenate([turned, x[..., width:]], axis=-1)


class FurtherDecoder(Decoder):
    embedding, final_norm, layer_name = "model.embed_tokens.weight", "model.norm", "model.layers."

    def __init__(self, config):
        super().__init__({**config, "num_key_value_heads": config["num_key_value_heads"] or config["num_attention_heads"]})

    def rotation(self, layer, count):
        rope = self.c["rope_parameters"]
        rotated = int(self.head * rope.get("partial_rotary_factor", 1.0))
        angles = numpy.arange(count)[:, None] * rope["rope_theta"] ** (-numpy.arange(0, rotated, 2) / rotated)
        return numpy.cos(angles), numpy.sin(angles)

    def layer_norm(self, w, x, name):
        x = x - np.mean(x, axis=-1, keepdims=True)
        eps = self.c.get("layer_norm_eps") or self.c["norm_epsilon"]
        y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w[name + ".weight"]
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def rms_norm(self, w, x, name):
        return self.norm(x, w[name + ".weight"])

    row_norm = layer_norm

    def heads_of(self, y, width=None):
        return np.transpose(y.reshape(len(y), -1, width or self.head), (1, 0, 2))

    def projected(self, w, x, name):
        return [self.heads_of(self.linear(w, x, f"{name}.{letter}_proj")) for letter in "qkv"]

    def silu_gated(self, gate, up):
        return gate / (1 + np.exp(-gate)) * up

    def logits(self, w, ids):
        x = w[self.embedding][ids]
        for layer in range(self.c["num_hidden_layers"]):
            x = self.layer(w, x, layer, f"{self.layer_name}{layer}.")
        x = self.row_norm(w, x, self.final_norm)
        return x @ w.get("lm_head.weight", w[self.embedding]).T * (self.c.get("logit_scale") or 1.0)

    def shapes(self):
        c, width = self.c, self.width
        yield self.embedding, (c["vocab_size"], width)
        if not c.get("tie_word_embeddings", True):
            yield "lm_head.weight", (c["vocab_size"], width)
        yield from self.norm_shapes(self.final_norm)
        for layer in range(c["num_hidden_layers"]):
            yield from self.layer_shapes(f"{self.layer_name}{layer}.")

    def norm_shapes(self, name, bias=False, size=None):
        yield name + ".weight", (size or self.width,)
        if bias:
            yield name + ".bias", (size or self.width,)

    def linear_shapes(self, name, rows, columns, bias=False):
        yield name + ".weight", (rows, columns)
        if bias:
            yield name + ".bias", (rows,)

    def attention_shapes(self, name, bias, output_bias):
        query, key = self.heads * self.head, self.groups * self.head
        for letter, rows in (("q", query), ("k", key), ("v", key)):
            yield from self.linear_shapes(f"{name}.{letter}_proj", rows, self.width, bias)
        yield from self.linear_shapes(name + ".o_proj", self.width, query, output_bias)


class StarCoder2(FurtherDecoder):
    def norm_shapes(self, name, bias=True, size=None):
        return super().norm_shapes(name, bias, size)

    def layer(self, w, x, layer, name):
        q, k, v = self.projected(w, self.layer_norm(w, x, name + "input_layernorm"), name + "self_attn")
        turn = self.rotation(layer, len(x))
        x = x + self.linear(w, self.attend(rotate(q, *turn), rotate(k, *turn), v, layer), name + "self_attn.o_proj")
        y = self.linear(w, self.layer_norm(w, x, name + "post_attention_layernorm"), name + "mlp.c_fc")
        return x + self.linear(w, gelu(y), name + "mlp.c_proj")

    def layer_shapes(self, name):
        yield from self.norm_shapes(name + "input_layernorm")
        yield from self.norm_shapes(name + "post_attention_layernorm")
        yield from self.attention_shapes(name + "self_attn", True, True)
        yield from self.linear_shapes(name + "mlp.c_fc", self.c["intermediate_size"], self.width, True)
        yield from self.linear_shapes(name + "mlp.c_proj", self.width, self.c["intermediate_size"], True)


class GptNeoX(StarCoder2):
    embedding, final_norm, layer_name = "gpt_neox.embed_in.weight", "gpt_neox.final_layer_norm", "gpt_neox.layers."

    def layer(self, w, x, layer, name):
        y = self.linear(w, self.layer_norm(w, x, name + "input_layernorm"), name + "attention.query_key_value")
        y = self.heads_of(y, 3 * self.head)
        q, k, v = y[..., : self.head], y[..., self.head : 2 * self.head], y[..., 2 * self.head :]
        turn = self.rotation(layer, len(x))
        a = self.linear(w, self.attend(rotate(q, *turn), rotate(k, *turn), v, layer), name + "attention.dense")
        read = x if self.c["use_parallel_residual"] else x + a
        m = self.linear(w, self.layer_norm(w, read, name + "post_attention_layernorm"), name + "mlp.dense_h_to_4h")
        return self.linear(w, self.activation(m), name + "mlp.dense_4h_to_h") + a + x

    def activation(self, x):
        return x / 2 * (1 + erf(x / 2**0.5)) if self.c["hidden_act"] == "gelu" else gelu(x)

    def layer_shapes(self, name):
        yield from self.norm_shapes(name + "input_layernorm")
        yield from self.norm_shapes(name + "post_attention_layernorm")
        yield from self.linear_shapes(name + "attention.query_key_value", 3 * self.width, self.width, True)
        yield from self.linear_shapes(name + "attention.dense", self.width, self.width, True)
        yield from self.linear_shapes(name + "mlp.dense_h_to_4h", self.c["intermediate_size"], self.width, True)
        yield from self.linear_shapes(name + "mlp.dense_4h_to_h", self.width, self.c["intermediate_size"], True)


class Cohere(FurtherDecoder):
    def layer(self, w, x, layer, name):
        n = self.layer_norm(w, x, name + "input_layernorm")
        q, k, v = self.projected(w, n, name + "self_attn")
        if self.c["use_qk_norm"]:
            q, k = self.head_norm(w, q, name + "self_attn.q_norm"), self.head_norm(w, k, name + "self_attn.k_norm")
        turn = self.rotation(layer, len(x))
        a = self.attend(rotate_neighbours(q, *turn), rotate_neighbours(k, *turn), v, layer)
        gate, up = self.linear(w, n, name + "mlp.gate_proj"), self.linear(w, n, name + "mlp.up_proj")
        m = self.linear(w, self.silu_gated(gate, up), name + "mlp.down_proj")
        return x + self.linear(w, a, name + "self_attn.o_proj") + m

    def head_norm(self, w, heads, name):
        """Of [heads, T, head], with a weight for each head."""
        x = heads - np.mean(heads, axis=-1, keepdims=True)
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.c["layer_norm_eps"]) * w[name + ".weight"][:, None]

    def layer_shapes(self, name):
        feed_forward = self.c["intermediate_size"]
        yield from self.norm_shapes(name + "input_layernorm")
        if self.c["use_qk_norm"]:
            yield name + "self_attn.q_norm.weight", (self.heads, self.head)
            yield name + "self_attn.k_norm.weight", (self.groups, self.head)
        yield from self.attention_shapes(name + "self_attn", False, False)
        yield from self.linear_shapes(name + "mlp.gate_proj", feed_forward, self.width)
        yield from self.linear_shapes(name + "mlp.up_proj", feed_forward, self.width)
        yield from self.linear_shapes(name + "mlp.down_proj", self.width, feed_forward)


class Glm4(FurtherDecoder):
    row_norm = FurtherDecoder.rms_norm

    def layer(self, w, x, layer, name):
        q, k, v = self.projected(w, self.rms_norm(w, x, name + "input_layernorm"), name + "self_attn")
        turn = self.rotation(layer, len(x))
        a = self.attend(rotate_neighbours(q, *turn), rotate_neighbours(k, *turn), v, layer)
        x = x + self.rms_norm(w, self.linear(w, a, name + "self_attn.o_proj"), name + "post_self_attn_layernorm")
        both = self.linear(w, self.rms_norm(w, x, name + "post_attention_layernorm"), name + "mlp.gate_up_proj")
        half = self.c["intermediate_size"]
        y = self.linear(w, self.silu_gated(both[:, :half], both[:, half:]), name + "mlp.down_proj")
        return x + self.rms_norm(w, y, name + "post_mlp_layernorm")

    def layer_shapes(self, name):
        for norm in ("input", "post_attention", "post_self_attn", "post_mlp"):
            yield from self.norm_shapes(f"{name}{norm}_layernorm")
        yield from self.attention_shapes(name + "self_attn", True, False)
        yield from self.linear_shapes(name + "mlp.gate_up_proj", 2 * self.c["intermediate_size"], self.width)
        yield from self.linear_shapes(name + "mlp.down_proj", self.width, self.c["intermediate_size"])


class DeepSeek(FurtherDecoder):
    row_norm = FurtherDecoder.rms_norm

    def scale(self):
        return (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5

    def layer(self, w, x, layer, name):
        c, a = self.c, name + "self_attn."
        n = self.rms_norm(w, x, name + "input_layernorm")
        if c["q_lora_rank"]:
            q = self.linear(w, self.rms_norm(w, self.linear(w, n, a + "q_a_proj"), a + "q_a_layernorm"), a + "q_b_proj")
        else:
            q = self.linear(w, n, a + "q_proj")
        q = self.heads_of(q, c["qk_nope_head_dim"] + c["qk_rope_head_dim"])
        down = self.linear(w, n, a + "kv_a_proj_with_mqa")
        latent = self.rms_norm(w, down[:, : c["kv_lora_rank"]], a + "kv_a_layernorm")
        kv = self.heads_of(self.linear(w, latent, a + "kv_b_proj"), c["qk_nope_head_dim"] + c["v_head_dim"])
        turn = self.rotation(layer, len(x))
        k_turned = rotate_neighbours(down[None, :, c["kv_lora_rank"] :], *turn)
        q_turned = rotate_neighbours(q[..., c["qk_nope_head_dim"] :], *turn)
        q = np.concatenate([q[..., : c["qk_nope_head_dim"]], q_turned], axis=-1)
        k = np.concatenate([kv[..., : c["qk_nope_head_dim"]], np.repeat(k_turned, self.heads, axis=0)], axis=-1)
        x = x + self.linear(w, self.attend(q, k, kv[..., c["qk_nope_head_dim"] :], layer), a + "o_proj")
        n = self.rms_norm(w, x, name + "post_attention_layernorm")
        return x + (self.experts(w, n, name + "mlp.") if layer >= c["first_k_dense_replace"] else self.gated(w, n, name + "mlp."))

    def gated(self, w, x, name):
        y = self.silu_gated(self.linear(w, x, name + "gate_proj"), self.linear(w, x, name + "up_proj"))
        return self.linear(w, y, name + "down_proj")

    def experts(self, w, x, name):
        c, logits = self.c, x @ w[name + "gate.weight"].T
        if c["model_type"] == "deepseek_v3":
            scores = 1 / (1 + np.exp(-logits))
            ranks = getval(scores) + getval(w[name + "gate.e_score_correction_bias"])
        else:
            exponentials = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
            scores = exponentials / np.sum(exponentials, axis=-1, keepdims=True)
            ranks = getval(scores)
        chosen = best(self.hide_groups(ranks), c["num_experts_per_tok"])
        shares = scores * chosen
        if c["norm_topk_prob"]:
            shares = shares / np.sum(shares, axis=-1, keepdims=True)
        y = self.gated(w, x, name + "shared_experts.") if c["n_shared_experts"] else 0.0
        for expert in range(c["n_routed_experts"]):
            share = shares[:, expert : expert + 1] * c["routed_scaling_factor"]
            y = y + share * self.gated(w, x, f"{name}experts.{expert}.")
        return y

    def hide_groups(self, ranks):
        """Experts of all but the best groups are out of question."""
        c = self.c
        if c["model_type"] == "deepseek_v2" and c["topk_method"] == "greedy":
            return ranks
        members = numpy.sort(ranks.reshape(len(ranks), c["n_group"], -1), axis=-1)
        counted = 2 if c["model_type"] == "deepseek_v3" else 1
        groups = best(members[..., -counted:].sum(axis=-1), c["topk_group"])
        return numpy.where(numpy.repeat(groups, ranks.shape[1] // c["n_group"], axis=1), ranks, -numpy.inf)

    def layer_shapes(self, name):
        c, a, feed_forward = self.c, name + "self_attn.", self.c["intermediate_size"]
        query = c["qk_nope_head_dim"] + c["qk_rope_head_dim"]
        yield from self.norm_shapes(name + "input_layernorm")
        yield from self.norm_shapes(name + "post_attention_layernorm")
        if c["q_lora_rank"]:
            yield from self.norm_shapes(a + "q_a_layernorm", size=c["q_lora_rank"])
        yield from self.norm_shapes(a + "kv_a_layernorm", size=c["kv_lora_rank"])
        if c["q_lora_rank"]:
            yield from self.linear_shapes(a + "q_a_proj", c["q_lora_rank"], self.width)
            yield from self.linear_shapes(a + "q_b_proj", self.heads * query, c["q_lora_rank"])
        else:
            yield from self.linear_shapes(a + "q_proj", self.heads * query, self.width)
        yield from self.linear_shapes(a + "kv_a_proj_with_mqa", c["kv_lora_rank"] + c["qk_rope_head_dim"], self.width)
        rows = self.heads * (c["qk_nope_head_dim"] + c["v_head_dim"])
        yield from self.linear_shapes(a + "kv_b_proj", rows, c["kv_lora_rank"])
        yield from self.linear_shapes(a + "o_proj", self.width, self.heads * c["v_head_dim"])
        if int(name.split(".")[2]) < c["first_k_dense_replace"]:
            yield from self.gated_shapes(name + "mlp.", feed_forward)
            return
        yield name + "mlp.gate.weight", (c["n_routed_experts"], self.width)
        if c["model_type"] == "deepseek_v3":
            yield name + "mlp.gate.e_score_correction_bias", (c["n_routed_experts"],)
        for expert in range(c["n_routed_experts"]):
            yield from self.gated_shapes(f"{name}mlp.experts.{expert}.", c["moe_intermediate_size"])
        if c["n_shared_experts"]:
            yield from self.gated_shapes(name + "mlp.shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"])

    def gated_shapes(self, name, hidden):
        yield from self.linear_shapes(name + "gate_proj", hidden, self.width)
        yield from self.linear_shapes(name + "up_proj", hidden, self.width)
        yield from self.linear_shapes(name + "down_proj", self.width, hidden)


def best(scores, count):
    """Of each row, which are its `count` largest."""
    return numpy.argsort(numpy.argsort(-scores, axis=-1), axis=-1) < count


DECODERS = {
    "starcoder2": StarCoder2, "gpt_neox": GptNeoX, "cohere": Cohere, "glm4": Glm4, "deepseek_v2": DeepSeek,
    "deepseek_v3": DeepSeek,
}  # fmt: skip
