#!/usr/bin/env python3
"""Writes the folders of architectures of which transformers' numbers are not at hand: gemma, granite, smollm3, phi3-longrope,
llama-dynamic, qwen3-moe, and those of further_decoders.py.

usage: make_relatives.py [--only=NAME,...] CHECKED...   needs numpy and autograd (PyPI); CHECKED: folders that transformers made

A plain decoder of its own in float64, differentiated by `autograd`: nothing in common with what is tested. Before it writes
anything it must agree with every folder in CHECKED (logits, loss, all gradients) to 1e-5: that is why the rest is believed.
"""

import json
import pathlib
import sys

import autograd.numpy as np
import numpy
from autograd import value_and_grad
from autograd.tracer import getval

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from safetensors_file import read_safetensors, write_safetensors  # noqa: E402

COMMON = {
    "vocab_size": 101, "hidden_size": 40, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 56, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}  # fmt: skip
FOLDERS = {
    "gemma": {"model_type": "gemma", "head_dim": 12, "hidden_act": "gelu_pytorch_tanh"},
    "granite": {
        "model_type": "granite", "embedding_multiplier": 12.0, "logits_scaling": 0.25, "residual_multiplier": 0.22,
        "attention_multiplier": 0.0625, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False,
    },
    "smollm3": {"model_type": "smollm3", "no_rope_layers": [1, 0, 1, 1]},
    "llama-dynamic": {
        "model_type": "llama", "max_position_embeddings": 32, "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.0},
    },
    "phi3-longrope": {
        "model_type": "phi3", "tie_word_embeddings": False, "head_dim": 16, "partial_rotary_factor": 0.5,
        "sliding_window": None, "original_max_position_embeddings": 32, "rope_parameters": None,
        "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.5], "long_factor": [1.0, 2.0, 3.0, 5.0]},
        "rope_theta": 10000.0,
    },
    "qwen3-moe": {
        "model_type": "qwen3_moe", "head_dim": 12, "tie_word_embeddings": False, "num_experts": 5,
        "num_experts_per_tok": 2, "moe_intermediate_size": 24, "norm_topk_prob": True,
    },
    "qwen3-moe-mixed": {
        "model_type": "qwen3_moe", "head_dim": 12, "tie_word_embeddings": True, "num_experts": 7,
        "num_experts_per_tok": 3, "moe_intermediate_size": 24, "norm_topk_prob": False, "mlp_only_layers": [1],
    },
}  # fmt: skip


class Decoder:
    def __init__(self, config):
        self.c = config
        self.type = config["model_type"]
        self.is_gemma = self.type.startswith("gemma")
        self.width = config["hidden_size"]
        self.heads, self.groups = config["num_attention_heads"], config["num_key_value_heads"]
        self.head = config.get("head_dim") or self.width // self.heads

    def scale(self):
        if self.type == "granite":
            return self.c["attention_multiplier"]
        return (self.c.get("query_pre_attn_scalar") or self.head) ** -0.5

    def is_local(self, layer):
        if not self.c.get("sliding_window"):
            return False
        types = self.c.get("layer_types")
        return types[layer] == "sliding_attention" if types else True

    def rotation(self, layer, count):
        """Cosines and sines [T, R/2]; None: this layer is not rotated."""
        if self.type == "smollm3" and not self.c["no_rope_layers"][layer]:
            return None
        rope = self.c.get("rope_parameters") or {**self.c["rope_scaling"], "rope_theta": self.c["rope_theta"]}
        if "full_attention" in rope:
            rope = rope["sliding_attention" if self.is_local(layer) else "full_attention"]
        rotated = int(self.head * self.c.get("partial_rotary_factor", 1.0))
        frequencies = rope["rope_theta"] ** (-numpy.arange(0, rotated, 2) / rotated)
        magnitude = 1.0
        if rope.get("type") == "longrope":
            original, longest = self.c["original_max_position_embeddings"], self.c["max_position_embeddings"]
            frequencies = frequencies / numpy.array(rope["long_factor" if count > original else "short_factor"])
            magnitude = numpy.sqrt(1 + numpy.log(longest / original) / numpy.log(original))
        if rope.get("rope_type") == "dynamic" and count > self.c["max_position_embeddings"]:
            growth = rope["factor"] * count / self.c["max_position_embeddings"] - (rope["factor"] - 1)
            base = rope["rope_theta"] * growth ** (rotated / (rotated - 2))
            frequencies = base ** (-numpy.arange(0, rotated, 2) / rotated)
        angles = numpy.arange(count)[:, None] * frequencies
        return magnitude * numpy.cos(angles), magnitude * numpy.sin(angles)

    def norm(self, x, weight):
        normed = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.c["rms_norm_eps"])
        return normed * (1 + weight if self.is_gemma else weight)

    def linear(self, w, x, name):
        y = x @ w[name + ".weight"].T
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def attention(self, w, x, layer, name):
        count = len(x)
        if name + ".qkv_proj.weight" in w:
            qkv = self.linear(w, x, name + ".qkv_proj")
            ends = [self.heads * self.head, (self.heads + self.groups) * self.head]
            q, k, v = qkv[:, : ends[0]], qkv[:, ends[0] : ends[1]], qkv[:, ends[1] :]
        else:
            q, k, v = (self.linear(w, x, f"{name}.{letter}_proj") for letter in "qkv")
        if self.type == "olmo2":
            q, k = self.norm(q, w[name + ".q_norm.weight"]), self.norm(k, w[name + ".k_norm.weight"])
        q, k, v = (np.transpose(y.reshape(count, -1, self.head), (1, 0, 2)) for y in (q, k, v))
        if self.type in ("qwen3", "qwen3_moe", "gemma3_text"):
            q, k = self.norm(q, w[name + ".q_norm.weight"]), self.norm(k, w[name + ".k_norm.weight"])
        rotation = self.rotation(layer, count)
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        return self.linear(w, self.attend(q, k, v, layer), name + ".o_proj")

    def attend(self, q, k, v, layer):
        """What [heads, T, head] gather, side by side [T, heads · head]."""
        count = q.shape[1]
        k, v = np.repeat(k, q.shape[0] // k.shape[0], axis=0), np.repeat(v, q.shape[0] // v.shape[0], axis=0)
        scores = q @ np.transpose(k, (0, 2, 1)) * self.scale()
        if self.c.get("attn_logit_softcapping"):
            scores = self.c["attn_logit_softcapping"] * np.tanh(scores / self.c["attn_logit_softcapping"])
        distance = numpy.arange(count)[:, None] - numpy.arange(count)
        hidden = (distance < 0) | (distance >= (self.c["sliding_window"] if self.is_local(layer) else count))
        scores = np.where(hidden, -1e30, scores)
        weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        weights = weights / np.sum(weights, axis=-1, keepdims=True)
        return np.transpose(weights @ v, (1, 0, 2)).reshape(count, -1)

    def feed_forward(self, w, x, name):
        if name + ".gate_up_proj.weight" in w:
            both = self.linear(w, x, name + ".gate_up_proj")
            gate, up = both[:, : self.c["intermediate_size"]], both[:, self.c["intermediate_size"] :]
        else:
            gate, up = self.linear(w, x, name + ".gate_proj"), self.linear(w, x, name + ".up_proj")
        if self.is_gemma:
            gate = gelu(gate)
        else:
            gate = gate / (1 + np.exp(-gate))
        return self.linear(w, gate * up, name + ".down_proj")

    def experts(self, w, x, router, expert_names):
        """expert_names(e): of gate, up and down."""
        scores = x @ w[router + ".weight"].T
        ranks = numpy.argsort(numpy.argsort(-getval(scores), axis=-1), axis=-1)
        chosen = ranks < self.c["num_experts_per_tok"]
        if self.type == "mixtral" or self.c["norm_topk_prob"]:
            scores = np.where(chosen, scores, -1e30)
        shares = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        shares = shares / np.sum(shares, axis=-1, keepdims=True) * chosen
        y = 0.0
        for expert in range(scores.shape[1]):
            gate, up, down = (w[name + ".weight"] for name in expert_names(expert))
            hidden = x @ gate.T
            y = y + shares[:, expert : expert + 1] * ((hidden / (1 + np.exp(-hidden)) * (x @ up.T)) @ down.T)
        return y

    def block(self, w, x, layer):
        """What stands after the attention."""
        name = f"model.layers.{layer}."
        if self.type == "mixtral":
            moe = name + "block_sparse_moe."
            return self.experts(w, x, moe + "gate", lambda e: [f"{moe}experts.{e}.{matrix}" for matrix in ("w1", "w3", "w2")])
        if self.type == "qwen3_moe" and layer not in self.c.get("mlp_only_layers", []):
            matrices = ("gate_proj", "up_proj", "down_proj")
            return self.experts(w, x, name + "mlp.gate", lambda e: [f"{name}mlp.experts.{e}.{m}" for m in matrices])
        return self.feed_forward(w, x, name + "mlp")

    def logits(self, w, ids):
        factor = numpy.sqrt(self.width) if self.is_gemma else self.c.get("embedding_multiplier", 1.0)
        x = w["model.embed_tokens.weight"][ids] * factor
        residual = self.c.get("residual_multiplier", 1.0)
        has_four_norms = "model.layers.0.pre_feedforward_layernorm.weight" in w
        for layer in range(self.c["num_hidden_layers"]):
            name = f"model.layers.{layer}."

            def normed(y, norm, name=name):
                return self.norm(y, w[f"{name}{norm}.weight"])

            if self.type == "olmo2":
                x = x + normed(self.attention(w, x, layer, name + "self_attn"), "post_attention_layernorm")
                x = x + normed(self.feed_forward(w, x, name + "mlp"), "post_feedforward_layernorm")
                continue
            y = self.attention(w, normed(x, "input_layernorm"), layer, name + "self_attn")
            x = x + residual * (normed(y, "post_attention_layernorm") if has_four_norms else y)
            before = "pre_feedforward_layernorm" if has_four_norms else "post_attention_layernorm"
            y = self.block(w, normed(x, before), layer)
            x = x + residual * (normed(y, "post_feedforward_layernorm") if has_four_norms else y)
        x = self.norm(x, w["model.norm.weight"])
        y = x @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T / self.c.get("logits_scaling", 1.0)
        cap = self.c.get("final_logit_softcapping")
        return cap * np.tanh(y / cap) if cap else y

    def loss(self, w, ids):
        total = 0.0
        for row in ids:
            y = self.logits(w, row)[:-1]
            peak = np.max(y, axis=-1, keepdims=True)
            log_sum = peak[:, 0] + np.log(np.sum(np.exp(y - peak), axis=-1))
            total = total + np.sum(log_sum - y[numpy.arange(len(y)), row[1:]])
        return total / (ids.shape[0] * (ids.shape[1] - 1))

    def greedy(self, w, prompt, count):
        ids = list(prompt)
        for _ in range(count):
            ids.append(int(numpy.argmax(self.logits(w, numpy.array(ids))[-1])))
        return numpy.array([ids], numpy.int64)


def gelu(x):
    return x / 2 * (1 + np.tanh(numpy.sqrt(2 / numpy.pi) * (x + 0.044715 * x**3)))


def rotate(x, cosines, sines):
    half = cosines.shape[1]
    a, b = x[..., :half], x[..., half : 2 * half]
    return np.concatenate([a * cosines - b * sines, b * cosines + a * sines, x[..., 2 * half :]], axis=-1)


def in_double(tensors):
    return {name: value.astype(numpy.float64) for name, value in tensors.items()}


def decoder_of(config):
    import further_decoders  # which imports this

    return further_decoders.DECODERS.get(config["model_type"], Decoder)(config)


def compute(config, weights, ids):
    decoder, w = decoder_of(config), in_double(weights)
    loss, gradients = value_and_grad(decoder.loss)(w, ids)
    expected = {"input_ids": ids, "logits": numpy.stack([decoder.logits(w, row) for row in ids]), "loss": numpy.array(loss)}
    expected |= {"grad." + name: gradients[name] for name in weights}
    return expected


def check(folder):
    expected = read_safetensors(folder / "expected.safetensors")
    config = json.loads((folder / "config.json").read_text())
    got = compute(config, read_safetensors(folder / "model.safetensors"), expected["input_ids"])
    for name, value in expected.items():
        if name != "greedy":
            error = numpy.abs(got[name] - value).max() / max(numpy.abs(value).max(), 1e-9)
            assert error < 1e-5, f"{folder.name}: {name} is off by {error}"
    print(f"{folder.name}: agrees with transformers")


def shapes(config):
    """Names and shapes of a folder's tensors."""
    d = decoder_of(config)
    if hasattr(d, "shapes"):
        yield from d.shapes()
        return
    width, query, key = d.width, d.heads * d.head, d.groups * d.head
    feed_forward = config["intermediate_size"]
    yield "model.embed_tokens.weight", (config["vocab_size"], width)
    if not config.get("tie_word_embeddings", True):
        yield "lm_head.weight", (config["vocab_size"], width)
    yield "model.norm.weight", (width,)
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        yield name + "input_layernorm.weight", (width,)
        yield name + "post_attention_layernorm.weight", (width,)
        matrices = {"self_attn.o_proj": (width, query), "mlp.down_proj": (width, feed_forward)}
        if d.type == "phi3":
            matrices |= {"self_attn.qkv_proj": (query + 2 * key, width), "mlp.gate_up_proj": (2 * feed_forward, width)}
        else:
            matrices |= {"self_attn.q_proj": (query, width), "self_attn.k_proj": (key, width)}
            matrices |= {"self_attn.v_proj": (key, width), "mlp.gate_proj": (feed_forward, width)}
            matrices |= {"mlp.up_proj": (feed_forward, width)}
        if d.type == "qwen3_moe" and layer not in config.get("mlp_only_layers", []):
            matrices = {matrix: shape for matrix, shape in matrices.items() if not matrix.startswith("mlp.")}
            matrices["mlp.gate"] = (config["num_experts"], width)
            hidden = config["moe_intermediate_size"]
            for e in range(config["num_experts"]):
                matrices |= {f"mlp.experts.{e}.{matrix}_proj": (hidden, width) for matrix in ("gate", "up")}
                matrices[f"mlp.experts.{e}.down_proj"] = (width, hidden)
        if d.type == "qwen3_moe":
            yield name + "self_attn.q_norm.weight", (d.head,)
            yield name + "self_attn.k_norm.weight", (d.head,)
        for matrix, shape in matrices.items():
            yield name + matrix + ".weight", shape
            if config.get("attention_bias") and "attn" in matrix or config.get("mlp_bias") and "mlp" in matrix:
                yield name + matrix + ".bias", shape[:1]


def make(name, config):
    rng = numpy.random.default_rng(sum(map(ord, name)))
    weights = {}
    for tensor, shape in shapes(config):
        value = rng.standard_normal(shape)
        if len(shape) == 2:
            value *= 0.7 / shape[1] ** 0.5
        elif "norm" in tensor:
            value = 0.1 * value + (0 if config["model_type"] == "gemma" else 1)
        else:
            value *= 0.05
        weights[tensor] = value.astype(numpy.float32)
    ids = rng.integers(3, config["vocab_size"], (2, 40)).astype(numpy.int64)
    expected = compute(config, weights, ids)
    expected["greedy"] = decoder_of(config).greedy(in_double(weights), ids[0, :8], 24)
    expected = {key: value if value.dtype == numpy.int64 else value.astype(numpy.float32) for key, value in expected.items()}
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", weights)
    write_safetensors(folder / "expected.safetensors", expected)
    print(f"{name}: loss {float(expected['loss']):.4f}")


def main():
    only = [name for option in sys.argv[1:] if option.startswith("--only=") for name in option[7:].split(",")]
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if not folders:
        sys.exit(__doc__)
    for folder in folders:
        check(pathlib.Path(folder))
    import further_decoders

    for name, own in {**FOLDERS, **further_decoders.FOLDERS}.items():
        if not only or name in only:
            make(name, {**COMMON, **own})


if __name__ == "__main__":
    sys.modules["make_relatives"] = sys.modules["__main__"]
    main()
