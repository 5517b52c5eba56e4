"""`pelton tune` on the demo model: PEFT's whole trajectories."""

import json

import conftest
import pytest
from conftest import GOLDEN
from tune_test import lines_of

TRAIN = GOLDEN / "train"


@pytest.fixture
def patient(pelton, monkeypatch):
    """The same program with more time."""
    monkeypatch.setattr(conftest, "TIMEOUT_S", 3000)
    return pelton


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    "data, reference, tolerance, options",
    [
        ("chats.jsonl", "lora_sft.json", 1e-4, ["--learning-rate", "5e-4"]),
        ("preferences.jsonl", "dpo.json", 1e-5, ["--learning-rate", "1e-4", "--objective", "dpo", "--batch-size", "2"]),
    ],
)
def test_ten_steps_are_pefts(patient, tmp_path, model, data, reference, tolerance, options):
    done = patient("tune", "-m", model, "--data", TRAIN / data, "-o", tmp_path / "out", "--shuffle", "false", "--seed",
                   "1234", "--steps", "10", *options)
    assert done.returncode == 0, done.stderr
    expected = json.loads((TRAIN / reference).read_text())["log"]
    for line, step in zip(lines_of(done.stdout), expected):
        assert abs(line["loss"] - step["loss"]) <= tolerance, line
        assert abs(line["grad_norm"] - step["grad_norm"]) <= 1e-3 * step["grad_norm"], line
