#!/usr/bin/env python3
"""Writes a LoRA adapter in PEFT's form for ../arch/llama, and the logits of the two together, in float64 by
../arch/make_relatives.py's decoder on W + scale · B A.

usage: make_adapter.py      needs numpy and autograd (PyPI)
"""

import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
BASE = HERE.parent / "arch" / "llama"
sys.path.insert(0, str(BASE.parent))
from make_relatives import Decoder, in_double, read_safetensors, write_safetensors  # noqa: E402

RANK, ALPHA = 4, 8
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def main():
    rng = np.random.default_rng(21)
    config = json.loads((BASE / "config.json").read_text())
    weights = in_double(read_safetensors(BASE / "model.safetensors"))
    adapter, summed = {}, dict(weights)
    for name, weight in weights.items():
        module = name.removesuffix(".weight")
        if not module.endswith(MODULES):
            continue
        a = rng.standard_normal((RANK, weight.shape[1])).astype(np.float32) * np.float32(0.1)
        b = rng.standard_normal((weight.shape[0], RANK)).astype(np.float32) * np.float32(0.1)
        adapter[f"base_model.model.{module}.lora_A.weight"] = a
        adapter[f"base_model.model.{module}.lora_B.weight"] = b
        summed[name] = weight + ALPHA / RANK**0.5 * b.astype(np.float64) @ a.astype(np.float64)
    ids = rng.integers(3, config["vocab_size"], (2, 20)).astype(np.int64)
    logits = np.stack([Decoder(config).logits(summed, row) for row in ids]).astype(np.float32)
    settings = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": None, "r": RANK, "lora_alpha": ALPHA,
        "lora_dropout": 0.0, "bias": "none", "use_rslora": True, "inference_mode": True, "target_modules": list(MODULES),
    }  # fmt: skip
    (HERE / "adapter_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    write_safetensors(HERE / "adapter_model.safetensors", adapter)
    write_safetensors(HERE / "expected.safetensors", {"input_ids": ids, "logits": logits})


if __name__ == "__main__":
    main()
