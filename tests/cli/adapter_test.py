"""`--adapter`: an adapter on top of a model: LoRA by an oracle of its own (tests/golden/adapter), IA³ by PEFT."""

import shutil

import pytest

from conftest import GOLDEN

ADAPTER = GOLDEN / "adapter"
IA3 = GOLDEN / "ia3/llama"
BASE = GOLDEN / "arch/llama"


@pytest.mark.parametrize("adapter", [ADAPTER, IA3], ids=["lora", "ia3"])
@pytest.mark.parametrize("mode", ["unmerged", "merged"])
@pytest.mark.parametrize("form", ["folder", "gguf"])
def test_adapter_gives_the_references_logits(pelton, tmp_path, form, mode, adapter):
    base = BASE
    if form == "gguf":
        base = tmp_path / "base.gguf"
        pelton("convert", BASE, base)
    expected = adapter / "expected.safetensors"
    report = pelton.json("verify", "--model", base, "--adapter", adapter, "--adapter-mode", mode, "--expected", expected)
    assert report["passed"] is True
    without = pelton("verify", "--model", base, "--expected", expected)
    assert without.returncode == 1


@pytest.mark.parametrize("adapter", [ADAPTER, IA3, GOLDEN / "ia3/qwen2"], ids=["lora", "ia3", "ia3-with-biases"])
@pytest.mark.parametrize("base_form", ["folder", "gguf"])
@pytest.mark.parametrize("form", ["folder", "gguf"])
def test_merged_into_a_file_it_gives_the_references_logits(pelton, tmp_path, base_form, form, adapter):
    original = base = GOLDEN / "arch/qwen2" if adapter.name == "qwen2" else BASE
    if base_form == "gguf":
        base = tmp_path / "base.gguf"
        pelton("convert", original, base)
    merged = tmp_path / ("merged.gguf" if form == "gguf" else "merged")
    facts = pelton.json("merge", "adapter", base, adapter, "-o", merged)
    assert facts["rounding"] == 0 and 0 < facts["change"] < 10 and facts["matrices"] > 0
    assert pelton.json("verify", "--model", merged, "--expected", adapter / "expected.safetensors")["passed"] is True
    again = pelton("merge", "adapter", base, adapter, "-o", merged)
    assert again.returncode == 1 and "is there already" in again.stderr


def test_merging_into_blocks_says_what_it_costs(pelton, tmp_path):
    base = tmp_path / "base.gguf"
    pelton("convert", BASE, base, "--type", "q8_0")
    facts = pelton.json("merge", "adapter", base, ADAPTER, "-o", tmp_path / "merged.gguf")
    # Of 32 numbers the largest has 127 steps: a step's uniform error, 1/√12 of it, against numbers of that size or less.
    assert 1e-4 < facts["rounding"] < 2e-2
    coarse = pelton.json("merge", "adapter", BASE, ADAPTER, "-o", tmp_path / "coarse.gguf", "--type", "q4_0")
    assert coarse["rounding"] > 5 * facts["rounding"]
    text = pelton("merge", "adapter", base, ADAPTER, "-o", tmp_path / "again.gguf").stdout
    assert "rounding by" in text
    assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / "merged.gguf").read_bytes()


def test_factors_merge_into_blocks(pelton, tmp_path):
    base, merged = tmp_path / "base.gguf", tmp_path / "merged.gguf"
    pelton("convert", BASE, base, "--type", "q8_0")
    facts = pelton.json("merge", "adapter", base, IA3, "-o", merged)
    assert facts["matrices"] == 9 and 1e-4 < facts["rounding"] < 2e-2 < facts["change"]


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
