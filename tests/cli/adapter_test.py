"""`--adapter`: a LoRA adapter on top of a model, by an oracle of its own (tests/golden/adapter)."""

import shutil

import pytest

from conftest import GOLDEN

ADAPTER = GOLDEN / "adapter"
BASE = GOLDEN / "arch/llama"


@pytest.mark.parametrize("mode", ["unmerged", "merged"])
@pytest.mark.parametrize("form", ["folder", "gguf"])
def test_adapter_gives_the_references_logits(pelton, tmp_path, form, mode):
    base = BASE
    if form == "gguf":
        base = tmp_path / "base.gguf"
        pelton("convert", BASE, base)
    expected = ADAPTER / "expected.safetensors"
    report = pelton.json("verify", "--model", base, "--adapter", ADAPTER, "--adapter-mode", mode, "--expected", expected)
    assert report["passed"] is True
    without = pelton("verify", "--model", base, "--expected", expected)
    assert without.returncode == 1


def test_adapter_errors_name_the_file(pelton, tmp_path):
    expected = ADAPTER / "expected.safetensors"
    missing = pelton("verify", "--model", BASE, "--adapter", tmp_path / "none", "--expected", expected)
    assert missing.returncode == 1 and "none" in missing.stderr
    shutil.copy(ADAPTER / "adapter_config.json", tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    empty = pelton("verify", "--model", BASE, "--adapter", tmp_path, "--expected", expected)
    assert empty.returncode == 1 and str(tmp_path) in empty.stderr and "no matrices" in empty.stderr
    alone = pelton("verify", "--model", BASE, "--adapter-mode", "merged", "--expected", expected)
    assert alone.returncode == 2 and "--adapter" in alone.stderr


def test_inspect_says_how_a_folder_was_quantised(pelton):
    facts = pelton.json("inspect", GOLDEN / "prequantised/gptq-symmetric")
    assert facts["runnable"] is True
    assert facts["quantisation"] == "gptq, 4 bits, groups of 32; computed as f32 (2 matrices), q4_0 (7 matrices)"
    text = pelton("inspect", GOLDEN / "prequantised/bitsandbytes-nf4").stdout
    assert "Quantised      bitsandbytes, nf4, 4 bits; computed as" in text and "bf16 (7 matrices)" in text
