"""llama.cpp loads what `pelton convert` wrote and predicts what transformers does with the same weights.

Needs a Python with the package `xllamacpp` (a prebuilt llama.cpp): see find_peer_python().
"""

import json
import pathlib
import subprocess

import pytest

from conftest import find_peer_python

SCRIPT = pathlib.Path(__file__).with_name("llama_cpp_top_tokens.py")
# Weights are the reference's exactly (f32) but for what a type rounds; llama.cpp keeps keys and values in F16.
TOLERANCE = {"f32": 0.02, "bf16": 0.05, "q8_0": 0.3}


@pytest.fixture(scope="session")
def peer_python() -> str:
    return find_peer_python("xllamacpp")


def top_tokens(python: str, model, prompts: list) -> list:
    done = subprocess.run([python, SCRIPT, model], input=json.dumps(prompts), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mix", TOLERANCE)
def test_llama_cpp_predicts_the_same(pelton, model, oracle, peer_python, tmp_path, mix):
    """The demo model's weights as a Hugging Face folder, that again as GGUF."""
    pelton.json("convert", model, "folder")
    pelton.json("convert", "folder", "model.gguf", "--type", mix)
    answers = top_tokens(peer_python, tmp_path / "model.gguf", [case["input_ids"] for case in oracle])
    for case, answer in zip(oracle, answers, strict=True):
        got = dict(answer)
        for token, log_probability in case["next_top20"][:5]:
            assert got[token] == pytest.approx(log_probability, abs=TOLERANCE[mix]), case["rendered"]


@pytest.mark.timeout(1800)
def test_llama_cpp_loads_every_mix(pelton, model, oracle, peer_python, tmp_path):
    for mix in ("f16", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k_m", "q5_k_m", "q6_k"):
        pelton.json("convert", model, "model.gguf", "--type", mix, "--force")
        (answer,) = top_tokens(peer_python, tmp_path / "model.gguf", [oracle[0]["input_ids"]])
        assert answer[0][0] == oracle[0]["greedy_ids"][0], mix
