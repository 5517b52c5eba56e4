#!/usr/bin/env python3
"""Trains adapters that begin as a part of the base (PiSSA, OLoRA) on ../arch/llama with PEFT, and keeps the losses of
the first steps, in float64, and what the trained model computes, in START.safetensors.

usage: make_lora_starts.py      needs torch, transformers, peft (PyPI)
"""

import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TARGETS = ["q_proj", "v_proj", "o_proj", "down_proj"]
STEPS, RATE = 5, 3e-3


def make(start: str) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(HERE.parent / "arch/llama", dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, init_lora_weights=start))
    # PEFT takes PiSSA's part away in float32 only.
    model.to(torch.float64)
    ids = torch.randint(3, model.config.vocab_size, (2, 20))
    trained = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0)
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        logits = model(input_ids=ids).logits[:, :-1]
        value = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        value.backward()
        optimiser.step()
        losses.append(value.item())
    with torch.no_grad():
        logits = model(input_ids=ids).logits.float()
    save_file({"input_ids": ids, "losses": torch.tensor(losses), "logits": logits}, HERE / f"{start}.safetensors")


for name in ("pissa", "olora"):
    make(name)
