#!/usr/bin/env python3
"""Trains a reward model on ../arch/llama with transformers' LlamaForSequenceClassification and the loss of Bradley and
Terry, from a head of zeros, and keeps the pairs, the losses of the first steps and the scores afterwards, in float64, in
rewards.safetensors.

usage: make_rewards.py      needs torch, transformers (PyPI)
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

HERE = pathlib.Path(__file__).parent
STEPS, RATE = 5, 3e-3
LENGTHS = [(20, 13), (7, 18), (11, 11)]  # of chosen and rejected

torch.manual_seed(4)
model = AutoModelForSequenceClassification.from_pretrained(HERE.parent / "arch/llama", num_labels=1).to(torch.float64)
model.score.weight.data.zero_()
model.eval()
pairs = [[torch.randint(3, model.config.vocab_size, (length,)) for length in pair] for pair in LENGTHS]


def score(tokens: torch.Tensor) -> torch.Tensor:
    return model(input_ids=tokens[None]).logits[0, 0]  # without padding the last token's


optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0)
losses = []
for _ in range(STEPS):
    optimiser.zero_grad()
    margins = torch.stack([score(chosen) - score(rejected) for chosen, rejected in pairs])
    loss = -torch.nn.functional.logsigmoid(margins).mean()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
with torch.no_grad():
    scores = torch.stack([score(answer) for pair in pairs for answer in pair])
tensors = {f"pair.{i}.{name}": answer for i, pair in enumerate(pairs)
           for name, answer in zip(("chosen", "rejected"), pair, strict=True)}  # fmt: skip
save_file(tensors | {"losses": torch.tensor(losses), "scores": scores.float()}, HERE / "rewards.safetensors")
print(losses, scores)
