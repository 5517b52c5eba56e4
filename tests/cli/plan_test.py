"""`pelton plan tune`: what a training run would need of memory, beside what it takes."""

import json
import re

import pytest


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"{n} sheep jump over the fence, one by one. " * 8}) + "\n" for n in range(8)))
    return path


def test_the_sums_of_the_field(pelton):
    done = pelton("plan", "tune", "--parameters", "13B")
    assert done.returncode == 0, done.stderr
    assert "31.2 GB" in done.stdout and "78 GB" in done.stdout
    seven = json.loads(pelton("plan", "tune", "--parameters", "7B", "--json").stdout)
    assert seven["training_bytes"] == pytest.approx(56e9)
    assert json.loads(pelton("plan", "tune", "--parameters", "7B", "--trained-share", "0.01", "--json").stdout)[
        "gradient_adam_bytes"
    ] == pytest.approx(0.42e9)
    for wrong in ("", "B", "-3B", "13Q", "nan"):
        refused = pelton("plan", "tune", "--parameters", wrong)
        assert refused.returncode == 2 and "--parameters" in refused.stderr, wrong


@pytest.mark.parametrize(
    "keys",
    [
        ("--method", "lora"),
        ("--method", "ia3"),
        ("--method", "lora", "--precision", "bf16", "--targets", "all-linear"),
        ("--method", "full", "--last-layers", "8", "--activation-checkpointing", "layer"),
        ("--method", "full", "--precision", "bf16", "--optimiser", "adamw_8bit"),
    ],
)
def test_what_was_predicted_is_taken(pelton, tmp_path, model, texts, keys):
    run = ("-m", model, "--data", texts, "--output", tmp_path / "out", "--steps", 2, *keys)
    plan = json.loads(pelton("plan", "tune", *run, "--json").stdout)
    assert plan["fits"] and plan["total_bytes"] == sum(part["bytes"] for part in plan["parts"])
    done = pelton("tune", *run, "--threads", 2, timeout=600)
    assert done.returncode == 0, done.stderr
    words = re.search(r"at most ([\d.]+) (MiB|GiB) of memory were used; ([\d.]+) (MiB|GiB) were predicted", done.stderr)
    used, predicted = (float(words[i]) * (1024 if words[i + 1] == "GiB" else 1) for i in (1, 3))
    assert predicted == pytest.approx(used, rel=0.1), done.stderr


def test_what_does_not_fit_is_refused_with_what_would(pelton, tmp_path, model, texts):
    run = ("-m", model, "--data", texts, "--output", tmp_path / "out", "--steps", 1)
    huge = ("--method", "full", "--batch-size", 4000)
    plan = pelton("plan", "tune", *run, *huge, "--json")
    assert plan.returncode == 1
    said = json.loads(plan.stdout)
    assert not said["fits"] and said["total_bytes"] > said["available_bytes"]
    assert said["advice"].startswith("activation_checkpointing: layer")
    table = pelton("plan", "tune", *run, *huge)
    assert "it does not fit" in table.stdout and "optimiser" in table.stdout
    refused = pelton("tune", *run, *huge)
    assert refused.returncode == 1
    assert "would need" in refused.stderr and "would fit, with" in refused.stderr
    assert not (tmp_path / "out.run").exists()
