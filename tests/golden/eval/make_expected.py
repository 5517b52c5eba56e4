#!/usr/bin/env python3
"""Writes expected.json: the perplexity of perplexity.txt by a plain forward pass of the demo model in numpy.

usage: make_expected.py MODEL.gguf PELTON      needs numpy and gguf; PELTON gives the token ids and nothing else

Weights dequantised exactly by gguf-py, everything in float32, no cache: nothing in common with what is tested.
"""

import json
import math
import pathlib
import subprocess
import sys

import gguf
import numpy as np

FOLDER = pathlib.Path(__file__).parent
CHUNK_TOKENS = 128
CHUNKS = 3


class Llama:
    """A GGUF file of architecture "llama" with tied output: query and key rows in pairs that RoPE turns."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        number = lambda key: reader.fields["llama." + key].contents()
        self.layers = number("block_count")
        self.heads = number("attention.head_count")
        self.key_value_heads = number("attention.head_count_kv")
        self.epsilon = number("attention.layer_norm_rms_epsilon")
        self.rope_base = number("rope.freq_base")
        self.weights = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.weights[name]

    def rope(self, x):
        tokens, _, width = x.shape
        frequencies = self.rope_base ** (-np.arange(0, width, 2) / width)
        angles = np.outer(np.arange(tokens), frequencies)[:, None, :]
        a, b = x[..., 0::2], x[..., 1::2]
        turned = np.empty_like(x)
        turned[..., 0::2] = a * np.cos(angles) - b * np.sin(angles)
        turned[..., 1::2] = a * np.sin(angles) + b * np.cos(angles)
        return turned

    def attention(self, x, layer):
        project = lambda name, heads: (x @ self.weights[f"{layer}attn_{name}.weight"].T).reshape(len(x), heads, -1)
        q = self.rope(project("q", self.heads))
        k = self.rope(project("k", self.key_value_heads)).repeat(self.heads // self.key_value_heads, axis=1)
        v = project("v", self.key_value_heads).repeat(self.heads // self.key_value_heads, axis=1)
        scores = np.einsum("thk,shk->hts", q, k) / math.sqrt(q.shape[-1])
        scores += np.triu(np.full(scores.shape[1:], -np.inf), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hts,shk->thk", weights, v).reshape(len(x), -1).astype(np.float32)
        return mixed @ self.weights[layer + "attn_output.weight"].T

    def feed_forward(self, x, layer):
        gate = x @ self.weights[layer + "ffn_gate.weight"].T
        up = x @ self.weights[layer + "ffn_up.weight"].T
        return (gate / (1 + np.exp(-gate)) * up) @ self.weights[layer + "ffn_down.weight"].T

    def logits(self, ids):
        x = self.weights["token_embd.weight"][ids]
        for index in range(self.layers):
            layer = f"blk.{index}."
            x = x + self.attention(self.norm(x, layer + "attn_norm.weight"), layer)
            x = x + self.feed_forward(self.norm(x, layer + "ffn_norm.weight"), layer)
        return self.norm(x, "output_norm.weight") @ self.weights["token_embd.weight"].T


def token_ids(program, model):
    text = (FOLDER / "perplexity.txt").read_text()[: 10 * CHUNKS * CHUNK_TOKENS]
    command = [program, "run", "-m", model, "--text", text, "--max-tokens", "1", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["prompt_token_ids"]


def scores(model, ids):
    """-ln p of each token of the second half of one chunk."""
    logits = model.logits(ids).astype(np.float64)
    rows = np.arange(len(ids) // 2, len(ids) - 1)
    peaks = logits[rows].max(-1)
    log_sums = peaks + np.log(np.exp(logits[rows] - peaks[:, None]).sum(-1))
    return log_sums - logits[rows, np.array(ids)[rows + 1]]


def main():
    path, program = sys.argv[1:]
    ids = token_ids(program, path)
    model = Llama(path)
    nll = np.concatenate(
        [scores(model, ids[i * CHUNK_TOKENS : (i + 1) * CHUNK_TOKENS]) for i in range(CHUNKS)]
    )
    perplexity = math.exp(nll.mean())
    expected = {
        "chunk_tokens": CHUNK_TOKENS,
        "chunks": CHUNKS,
        "tokens": len(nll),
        "perplexity": perplexity,
        "stderr": perplexity * nll.std(ddof=1) / math.sqrt(len(nll)),
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
