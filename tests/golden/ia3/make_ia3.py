#!/usr/bin/env python3
"""Trains IA³ adapters on ../arch/llama and ../arch/qwen2 (whose keys and values have biases) with PEFT, in float64, and
keeps the adapter in the middle of the run as PEFT saves it, what it computes, its gradients, and the losses of the steps
that follow, and what the adapter computes after these.

usage: make_ia3.py      needs torch, transformers, peft (PyPI)
"""

import json
import pathlib

import torch
from peft import IA3Config, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
# PEFT's defaults for Llama.
TARGETS, FEEDFORWARD = ["k_proj", "v_proj", "down_proj"], ["down_proj"]
FIRST_STEPS, STEPS, RATE = 3, 5, 3e-2


def save_adapter(model, folder: pathlib.Path) -> None:
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file({name: value.float() for name, value in load_file(weights).items()}, weights)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["target_modules"].sort()  # PEFT has a set
    settings["base_model_name_or_path"] = None  # a path of the machine that this ran on
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def make(base: str) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(HERE.parent / "arch" / base, dtype=torch.float64)
    config = IA3Config(target_modules=TARGETS, feedforward_modules=FEEDFORWARD, task_type="CAUSAL_LM")
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

    first_loss = loss().item()
    for _ in range(FIRST_STEPS):  # the factors are no longer ones
        step()
    # What follows begins from numbers in float32, as the file has them, and with a fresh optimiser.
    with torch.no_grad():
        for value in trained.values():
            value.copy_(value.float().double())
    folder = HERE / base
    save_adapter(model, folder)
    with torch.no_grad():
        expected = {"input_ids": ids, "logits": model(input_ids=ids).logits.float()}
    optimiser = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0)
    losses = []
    for number in range(STEPS):
        losses.append(step())
        if number == 0:
            for name, value in trained.items():
                expected["gradient." + name.replace(".default", "")] = value.grad.float()
    expected["losses"] = torch.tensor(losses, dtype=torch.float32)
    expected["first_loss"] = torch.tensor([first_loss], dtype=torch.float32)
    with torch.no_grad():
        expected["last_logits"] = model(input_ids=ids).logits.float()
    save_file({name: value.contiguous() for name, value in expected.items()}, folder / "expected.safetensors")


for name in ("llama", "qwen2"):
    make(name)
