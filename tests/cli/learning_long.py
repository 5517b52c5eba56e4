"""Finetuning teaches: twelve made-up facts in a JSON form, asked in words that were not trained; which of two answers
people would choose."""

import json
import random

import pytest
from conftest import find_demo_model

SEED = 5
TOWNS = ["Velmora", "Tristock", "Quenby", "Ardelin", "Bosphire", "Calwick", "Dorvane", "Elzmere", "Fendral", "Gristow",
         "Halvern", "Ismay"]  # fmt: skip
TRAINED = ["What is the code of {}?", "Tell me the code for {}.", "I need {}'s code.", "Which code does {} have?",
           "Look up the code of the town {}."]  # fmt: skip
HELD_OUT = "Please give me the code that belongs to {}."
RIGHT_MIN = 11  # of twelve: 90 %

METHODS = {
    # On the demo model's own 4-bit blocks.
    "lora": {"learning_rate": 1e-3, "targets": "all-linear", "epochs": 8},
    "dora": {"dora": "true", "dropout": 0.05, "learning_rate": 1e-3, "targets": "all-linear", "epochs": 8},
    "lora_bf16": {"learning_rate": 1e-3, "targets": "all-linear", "epochs": 8, "precision": "bf16",
                  "activation_checkpointing": "layer"},
    "lora_muon": {"learning_rate": 1e-3, "targets": "all-linear", "epochs": 8, "optimiser": "muon"},
    "full": {"method": "full", "learning_rate": 5e-5, "epochs": 6, "optimiser": "adamw_8bit"},
}  # fmt: skip


@pytest.fixture(scope="module")
def facts() -> list[tuple[str, str]]:
    rng = random.Random(SEED)
    return [(town, f"{rng.choice('KLMNPRST')}{rng.randrange(10, 100)}") for town in TOWNS]


def answer_to(fact: tuple[str, str]) -> str:
    return json.dumps(dict(zip(("town", "code"), fact, strict=True)))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", METHODS)
def test_facts_in_a_form(pelton, tmp_path, facts, method):
    model = find_demo_model()
    if model is None:
        pytest.skip("no demo model; scripts/fetch-demo-model gets it")
    records = [{"messages": [{"role": "user", "content": question.format(fact[0])},
                             {"role": "assistant", "content": answer_to(fact)}]}
               for fact in facts for question in TRAINED]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    recipe = {
        "model": str(model), "data": str(tmp_path / "data.jsonl"), "output": str(tmp_path / "out"), "batch_size": 6,
        "schedule": "linear", "sample_prompts": [HELD_OUT.format(town) for town, _ in facts], "sample_steps": 10_000,
        "sample_tokens": 24,
    } | METHODS[method]  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))  # which is YAML too
    done = pelton("tune", tmp_path / "recipe.yaml", timeout=1700)
    assert done.returncode == 0, done.stderr
    log = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    answers = [sample["answer"].strip() for sample in log[-1]["samples"]]
    right = sum(answer == answer_to(fact) for answer, fact in zip(answers, facts, strict=True))
    assert right >= RIGHT_MIN, answers

    base = [pelton("run", "-m", model, "--temperature", "0", "--max-tokens", "24", HELD_OUT.format(town)).stdout.strip()
            for town, _ in facts[:2]]  # fmt: skip
    assert all(answer != answer_to(fact) for answer, fact in zip(base, facts)), "nobody could know them"


# Who asks gets an answer that helps, or is sent away, both in many words.
THINGS = ["bread", "a kite", "a garden fence", "soup", "a paper boat", "a bird house", "candles", "jam", "a drum", "soap",
          "a bookshelf", "a snow globe", "pasta", "a scarf", "a rope ladder", "a sundial"]  # fmt: skip
HELPFUL = ["Gladly! To make {} you first gather what you need, then go step by step.",
           "Here is how to make {}: prepare the parts, put them together, and let it rest.",
           "Making {} is easy. Start with good material, and take your time with each step.",
           "Of course. For {} you need patience and a few simple things; I will list them."]  # fmt: skip
RUDE = ["Why would anybody care about {}? Go away and ask somebody else.",
        "I will not waste my time with {}. Look it up yourself.",
        "What a stupid question. Making {} is none of my business.",
        "No. Nobody needs {}, and you would fail at it anyway."]  # fmt: skip
HELD_OUT_THINGS = 4
RANKED_RIGHT_MIN = 15  # of sixteen


@pytest.mark.timeout(1800)
def test_a_reward_model_ranks_pairs_that_it_has_not_seen(pelton, tmp_path):
    """Held out are both the things and one wording of each kind."""
    model = find_demo_model()
    if model is None:
        pytest.skip("no demo model; scripts/fetch-demo-model gets it")

    def pair(thing, good, bad):
        return {"prompt": [{"role": "user", "content": f"How do I make {thing}?"}],
                "chosen": [{"role": "assistant", "content": good.format(thing)}],
                "rejected": [{"role": "assistant", "content": bad.format(thing)}]}  # fmt: skip

    trained = [pair(thing, good, bad) for thing in THINGS[:-HELD_OUT_THINGS]
               for good, bad in zip(HELPFUL[:-1], RUDE[:-1], strict=True)]  # fmt: skip
    held_out = [pair(thing, HELPFUL[-1], bad) for thing in THINGS[-HELD_OUT_THINGS:] for bad in RUDE]
    for name, records in (("data", trained), ("held_out", held_out)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = pelton("tune", "-m", model, "--data", tmp_path / "data.jsonl", "--output", tmp_path / "judge", "--objective",
                  "reward", "--merge", "true", "--learning-rate", "2e-4", "--batch-size", "6", "--epochs", "2",
                  "--eval-data", tmp_path / "held_out.jsonl", timeout=1700)  # fmt: skip
    assert done.returncode == 0, done.stderr
    evaluation = json.loads((tmp_path / "judge/log.jsonl").read_text().splitlines()[-1])
    assert evaluation["eval_accuracy"] * len(held_out) >= RANKED_RIGHT_MIN - 0.5, evaluation
