#!/usr/bin/env python3
"""Trains DoRA adapters on ../arch/llama and ../arch/qwen2 (whose queries have biases) with PEFT, in float64, and keeps
the adapter in the middle of the run as PEFT saves it, what it computes, its gradients, and the losses of the steps that
follow.

usage: make_dora.py      needs torch, transformers, peft (PyPI)
"""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TARGETS = ["q_proj", "v_proj", "o_proj", "down_proj"]
FIRST_STEPS, STEPS, RATE = 3, 4, 1e-2


def make(base: str) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(HERE.parent / "arch" / base, dtype=torch.float64)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, use_dora=True, lora_dropout=0.0)
    model = get_peft_model(model, config)
    ids = torch.randint(3, model.config.vocab_size, (2, 20))
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimiser = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0)

    def loss() -> torch.Tensor:
        logits = model(input_ids=ids).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    def step() -> float:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        return value.item()

    for _ in range(FIRST_STEPS):  # B is no longer zero
        step()
    # What follows begins from numbers in float32, as the file has them, and with a fresh optimiser.
    with torch.no_grad():
        for value in trained.values():
            value.copy_(value.float().double())
    folder = HERE / base
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file({name: value.float() for name, value in load_file(weights).items()}, weights)
    with torch.no_grad():
        expected = {"input_ids": ids, "logits": model(input_ids=ids).logits.float()}
    optimiser = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0)
    losses = []
    for number in range(STEPS):
        losses.append(step())
        if number == 0:
            for name, value in trained.items():
                expected["gradient." + name.replace(".default", "").removesuffix(".weight")] = value.grad.float()
    expected["losses"] = torch.tensor(losses, dtype=torch.float32)
    save_file({name: value.contiguous() for name, value in expected.items()}, folder / "expected.safetensors")
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = None  # a path of the machine that this ran on
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


for name in ("llama", "qwen2"):
    make(name)
