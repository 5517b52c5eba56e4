#!/usr/bin/env python3
"""Writes mxfp4, a tiny gpt-oss as it is published: experts in MXFP4's blocks and scales, all else in float32.

usage: make_mxfp4.py      needs numpy and autograd (PyPI)

After transformers' modeling_gpt_oss.py and OCP's Microscaling Formats 1.0; `expected.safetensors` as of make_checkpoints.py.
"""

import json
import pathlib

import numpy as np
from make_checkpoints import HERE, write_safetensors
from make_relatives import Decoder, in_double

CONFIG = {
    "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_act": "silu", "vocab_size": 32,
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 32, "num_local_experts": 3, "num_experts_per_tok": 2, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "attention_bias": True, "tie_word_embeddings": False, "sliding_window": 5,
    "layer_types": ["sliding_attention", "full_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
}  # fmt: skip
E2M1 = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
LEVELS = np.concatenate([E2M1, -E2M1])


class GptOss(Decoder):
    def logits(self, w, ids):
        self.w = w
        return super().logits(w, ids)

    def attend(self, q, k, v, layer):
        """A sink takes its share of each row's weights and gives nothing."""
        count = q.shape[1]
        k, v = (np.repeat(y, len(q) // len(y), axis=0) for y in (k, v))
        distance = np.arange(count)[:, None] - np.arange(count)
        reach = self.c["sliding_window"] if self.is_local(layer) else count
        scores = np.where((distance < 0) | (distance >= reach), -np.inf, q @ k.transpose(0, 2, 1) / self.head**0.5)
        sinks = np.broadcast_to(self.w[f"model.layers.{layer}.self_attn.sinks"][:, None, None], (*scores.shape[:2], 1))
        scores = np.concatenate([scores, sinks], axis=-1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = weights[..., :-1] / weights.sum(-1, keepdims=True)
        return (weights @ v).transpose(1, 0, 2).reshape(count, -1)

    def block(self, w, x, layer):
        name = f"model.layers.{layer}.mlp."
        y = np.zeros_like(x)
        for row, logits in enumerate(self.linear(w, x, name + "router")):
            chosen = np.argsort(-logits)[: self.c["num_experts_per_tok"]]
            shares = np.exp(logits[chosen] - logits[chosen].max())
            for expert, share in zip(chosen, shares / shares.sum(), strict=True):
                both = w[name + "experts.gate_up_proj"][expert] @ x[row] + w[name + "experts.gate_up_proj_bias"][expert]
                gate, up = np.minimum(both[0::2], 7), np.clip(both[1::2], -7, 7)
                hidden = (up + 1) * gate / (1 + np.exp(-1.702 * gate))
                y[row] += share * (w[name + "experts.down_proj"][expert] @ hidden + w[name + "experts.down_proj_bias"][expert])
        return y


def shapes():
    c, width = CONFIG, CONFIG["hidden_size"]
    yield "model.embed_tokens.weight", (c["vocab_size"], width)
    yield "lm_head.weight", (c["vocab_size"], width)
    yield "model.norm.weight", (width,)
    for layer in range(c["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        yield name + "input_layernorm.weight", (width,)
        yield name + "post_attention_layernorm.weight", (width,)
        yield name + "self_attn.sinks", (c["num_attention_heads"],)
        for matrix, rows, columns in (("q", 64, width), ("k", 32, width), ("v", 32, width), ("o", width, 64)):
            yield f"{name}self_attn.{matrix}_proj.weight", (rows, columns)
            yield f"{name}self_attn.{matrix}_proj.bias", (rows,)
        experts, hidden = c["num_local_experts"], c["intermediate_size"]
        yield name + "mlp.router.weight", (experts, width)
        yield name + "mlp.router.bias", (experts,)
        yield name + "mlp.experts.gate_up_proj_bias", (experts, 2 * hidden)
        yield name + "mlp.experts.down_proj_bias", (experts, width)
        yield name + "mlp.experts.gate_up_proj", (experts, 2 * hidden, width)  # [out, in], as in blocks
        yield name + "mlp.experts.down_proj", (experts, width, hidden)


def quantise(values):
    """Blocks, scales, and what they stand for."""
    groups = values.reshape(*values.shape[:-1], -1, 32)
    exponents = np.floor(np.log2(np.abs(groups).max(-1))) - 2  # 6 is the largest level, 1.5 · 2²
    codes = np.abs(groups[..., None] / np.exp2(exponents)[..., None, None] - LEVELS).argmin(-1).astype(np.uint8)
    blocks = codes[..., 0::2] | codes[..., 1::2] << 4
    decoded = (LEVELS[codes] * np.exp2(exponents)[..., None]).reshape(values.shape)
    return blocks, (exponents + 127).astype(np.uint8), decoded.astype(np.float32)


def main():
    rng = np.random.default_rng(51)
    tensors, decoded, shown = {}, {}, {}
    for name, shape in shapes():
        value = rng.standard_normal(shape)
        value = 0.1 * value + 1 if "norm" in name else value * 0.7 / shape[-1] ** 0.5 if len(shape) > 1 else 0.3 * value
        value = value.astype(np.float32)
        if not name.endswith(("gate_up_proj", "experts.down_proj")):
            tensors[name] = decoded[name] = value
            continue
        tensors[name + "_blocks"], tensors[name + "_scales"], decoded[name] = quantise(3 * value)
        if ".0." in name:
            shown["weight." + name] = decoded[name]
    ids = rng.integers(3, CONFIG["vocab_size"], (2, 12)).astype(np.int64)
    decoder = GptOss(CONFIG)
    logits = np.stack([decoder.logits(in_double(decoded), row) for row in ids]).astype(np.float32)
    folder = pathlib.Path(HERE) / "mxfp4"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", tensors)
    write_safetensors(folder / "expected.safetensors", {"input_ids": ids, "logits": logits} | shown)


if __name__ == "__main__":
    main()
