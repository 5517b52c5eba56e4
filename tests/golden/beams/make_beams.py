#!/usr/bin/env python3
"""Writes expected.json: what generate() of transformers makes of arch/llama by beam search, one case a line of CASES.

usage: make_beams.py      needs torch, transformers (PyPI)

Each case must come out alike in float32 and float64, so that no near tie decides.
"""

import json
import pathlib

import torch
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
# End tokens are such as the beams of a random model come upon.
CASES = [
    {"num_beams": 4, "max_new_tokens": 12},
    {"num_beams": 4, "max_new_tokens": 16, "end": 1},
    {"num_beams": 4, "max_new_tokens": 16, "end": 1, "early_stopping": True},
    {"num_beams": 4, "max_new_tokens": 16, "end": 1, "early_stopping": "never"},
    {"num_beams": 3, "max_new_tokens": 20, "end": 2, "length_penalty": 0.0},
    {"num_beams": 3, "max_new_tokens": 20, "end": 2, "length_penalty": 2.0},
    {"num_beams": 3, "max_new_tokens": 20, "end": 2, "length_penalty": 2.0, "early_stopping": "never"},
    {"num_beams": 3, "max_new_tokens": 20, "end": 2, "length_penalty": -1.0},
    {"num_beams": 3, "max_new_tokens": 20, "end": 2, "length_penalty": -1.0, "early_stopping": "never"},
    {"num_beams": 5, "max_new_tokens": 20, "end": 3, "min_new_tokens": 8},
    {"num_beams": 2, "max_new_tokens": 24, "end": 2, "suppress": 2},
    {"num_beams": 8, "max_new_tokens": 10, "end": 1, "early_stopping": True},
    {"num_beams": 20, "max_new_tokens": 6},
]  # fmt: skip


def generate(model, prompt: list[int], settings: dict) -> tuple[list[list[int]], list[float], list[float]]:
    """Sequences without the prompt, their scores, and the sums of their log-probabilities, best first."""
    ids = torch.tensor([prompt])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, return_dict_in_generate=True,
                          output_scores=True, output_logits=True, pad_token_id=0, num_return_sequences=settings["num_beams"],
                          **settings)  # fmt: skip
    ends = settings["eos_token_id"]
    answers, logprobs = [], []
    for sequence in made.sequences[:, len(prompt) :].tolist():
        end = next((i + 1 for i, token in enumerate(sequence) if token in ends), len(sequence))
        answers.append(sequence[:end])
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answers[-1]])).logits[0, len(prompt) - 1 : -1]
        steps = logits.log_softmax(-1)
        logprobs.append(sum(float(steps[i, token]) for i, token in enumerate(answers[-1])))
    return answers, made.sequences_scores.tolist(), logprobs


def settings_of(case: dict, frequent: list[int]) -> dict:
    # Where a case wants none of the frequent ones, the model's own end token.
    settings = {"length_penalty": 1.0, "early_stopping": False, "min_new_tokens": 0} | case
    settings["eos_token_id"] = frequent[: settings.pop("end", 0)] or [2]
    settings["suppress_tokens"] = frequent[-settings.pop("suppress") :] if "suppress" in case else None
    return settings


def main() -> None:
    folder = HERE.parent / "arch" / "llama"
    exact = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    single = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    expected = []
    for number, case in enumerate(CASES):
        torch.manual_seed(number)
        prompt = torch.randint(3, exact.config.vocab_size, (3 + 7 * (number % 4),)).tolist()
        plain = settings_of({"num_beams": case["num_beams"], "max_new_tokens": case["max_new_tokens"]}, [])
        said = [token for answer in generate(exact, prompt, plain)[0] for token in answer[2:]]
        frequent = sorted(set(said), key=lambda token: (-said.count(token), token))
        settings = settings_of(case, frequent)
        answers, scores, logprobs = generate(exact, prompt, settings)
        assert generate(single, prompt, settings)[0] == answers, f"case {number}: a near tie"
        print(number, [len(answer) for answer in answers], [round(score, 3) for score in scores])
        expected.append({"prompt": prompt, **settings, "answers": answers,
                         "scores": [round(score, 5) for score in scores],
                         "logprobs": [round(value, 5) for value in logprobs]})  # fmt: skip
    lines = ",\n".join(json.dumps(case) for case in expected)
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
