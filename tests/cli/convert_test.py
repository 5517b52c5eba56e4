"""`pelton convert` between GGUF files and Hugging Face folders, and between element types."""

import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from conftest import GOLDEN, TIMEOUT_S
from safetensors_bytes import read_safetensors

ARCHITECTURES = ["llama", "llama-tied-mqa", "llama-linear", "llama-yarn", "llama3-rope"]
TEXT = GOLDEN / "eval/perplexity.txt"


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_folder_to_gguf_and_back(pelton, tmp_path, name):
    folder = GOLDEN / "arch" / name
    report = pelton.json("convert", folder, "model.gguf")
    assert report["source"]["format"] == "Hugging Face folder" and report["destination"]["format"] == "GGUF 3"
    assert report["types"] == [
        {"type": "f32", "tensors": report["tensors"], "bytes": report["destination"]["bytes"]}
    ]
    assert any("no tokenizer" in note for note in report["notes"])
    pelton.json("convert", "model.gguf", "back/")
    assert read_safetensors(tmp_path / "back/model.safetensors") == read_safetensors(folder / "model.safetensors")
    for model in ("model.gguf", "back"):
        verified = pelton.json("verify", "--model", model, "--expected", folder / "expected.safetensors")
        assert verified["passed"] is True


def test_a_folder_that_transformers_wrote_gets_its_numbers_back(pelton, tmp_path):
    pelton.json("convert", GOLDEN / "arch/llama3-rope", "model.gguf", "--type", "bf16")
    pelton.json("convert", "model.gguf", "back")
    original = json.loads((GOLDEN / "arch/llama3-rope/config.json").read_text())
    config = json.loads((tmp_path / "back/config.json").read_text())
    for key, value in original.items():
        if key in config and key not in ("dtype", "rope_parameters", "bos_token_id", "eos_token_id"):
            assert config[key] == value, key
    assert config["dtype"] == "bfloat16"
    assert config["rope_parameters"]["rope_type"] == "llama3"
    assert config["rope_parameters"]["factor"] == original["rope_parameters"]["factor"]


def test_the_demo_model_in_eight_bits_is_as_good(pelton, model, tmp_path):
    report = pelton.json("convert", model, "demo-q8_0.gguf", "--type", "q8_0")
    assert any("quantised already" in note for note in report["notes"])
    assert report["fallbacks"] == []
    before = pelton.json("inspect", model, "--metadata")
    after = pelton.json("inspect", "demo-q8_0.gguf", "--metadata")
    assert {row["type"] for row in after["types"]} == {"q8_0", "f32"}
    assert after["runnable"] is True
    for facts in (before, after):
        facts["metadata"].pop("general.file_type")
        facts["metadata"].pop("general.quantization_version", None)
    assert after["metadata"] == before["metadata"]
    for key in ("tokenizer", "chat_template", "spec"):
        assert after[key] == before[key]

    options = ["--chunk", "256", "--chunks", "4"]
    old = pelton.json("eval", "perplexity", "-m", model, TEXT, *options)
    new = pelton.json("eval", "perplexity", "-m", "demo-q8_0.gguf", TEXT, *options)
    assert new["perplexity"] == pytest.approx(old["perplexity"], rel=0.01)


def test_the_demo_model_as_a_folder_speaks_the_same(pelton, model, tmp_path):
    pelton.json("convert", model, "demo", "--type", "bf16")
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    before, after = pelton.json("inspect", model), pelton.json("inspect", "demo")
    assert after["chat_template"] == before["chat_template"]
    assert after["tokenizer"]["ends"] == before["tokenizer"]["ends"]
    assert after["parameters"] == before["parameters"]
    prompt = ["--max-tokens", "8", "--temperature", "0", "--text", "The capital of France is"]
    old, new = (pelton.json("run", "-m", name, "--activations", "f32", *prompt) for name in (model, "demo"))
    assert new["text"] == old["text"]
    # And from there to a GGUF file again: the tokenizer finds its name.
    report = pelton.json("convert", "demo", "again.gguf")
    assert report["notes"] == []
    again = pelton.json("inspect", "again.gguf", "--metadata")["metadata"]
    assert again["tokenizer.ggml.pre"] == "smollm" and again["tokenizer.ggml.tokens"] == "[49152 strings]"


def test_rows_that_hold_no_large_blocks_are_named(pelton, model, tmp_path):
    report = pelton.json("convert", model, "demo.gguf", "--type", "q4_k_m")
    assert {row["type"] for row in report["types"]} <= {"q4_k", "q5_0", "q6_k", "q8_0", "f32"}
    fallen = {row["tensor"]: row for row in report["fallbacks"]}
    assert fallen["blk.1.attn_q.weight"] == {
        "tensor": "blk.1.attn_q.weight", "wanted": "q4_k", "type": "q5_0", "row_length": 576,
    }  # fmt: skip
    assert "blk.5.ffn_down.weight" not in fallen  # rows of 1536
    text = pelton("convert", model, "demo.gguf", "--type", "q4_k_m", "--force").stdout
    assert "rows of 576 are q5_0: q4_k needs whole blocks of 256" in text
    answer = pelton.json("run", "-m", "demo.gguf", "--max-tokens", "8", "--text", "The capital of France is")
    assert answer["text"]


def test_same_source_same_bytes(pelton, tmp_path):
    for name, threads in (("a.gguf", 1), ("b.gguf", 2)):
        pelton.json("convert", GOLDEN / "arch/llama", name, "--type", "q4_k_m", "-t", threads)
    assert digest(tmp_path / "a.gguf") == digest(tmp_path / "b.gguf")


def test_nothing_is_replaced_unasked(pelton, tmp_path):
    (tmp_path / "model.gguf").write_text("mine")
    done = pelton("convert", GOLDEN / "arch/llama", "model.gguf")
    assert done.returncode == 1 and "--force" in done.stderr
    assert (tmp_path / "model.gguf").read_text() == "mine"
    assert pelton("convert", GOLDEN / "arch/llama", "model.gguf", "--force").returncode == 0
    assert pelton.json("inspect", "model.gguf")["runnable"] is True


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["missing.gguf", "out.gguf"], "missing.gguf"),
        ([GOLDEN / "arch/llama", "out", "--type", "q8_0"], "bf16"),
        ([GOLDEN / "arch/llama", "no/such/out.gguf"], "no/such"),
        ([GOLDEN / "arch/llama", "out.bin"], "out.bin"),
        ([GOLDEN / "text", "out.gguf"], "config.json"),
        ([GOLDEN / "quant/q4_0.blocks", "out.gguf"], "GGUF"),
    ],
)
def test_what_cannot_be_done_is_refused_without_a_trace(pelton, tmp_path, arguments, reason):
    before = set(tmp_path.iterdir())
    done = pelton("convert", *arguments)
    assert done.returncode == 1
    assert reason in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_an_unknown_type_is_bad_usage(pelton):
    done = pelton("convert", "a", "b", "--type", "q1")
    assert done.returncode == 2 and "q4_k_m" in done.stderr


def test_a_disk_that_is_too_small_is_noticed_before(pelton, tmp_path):
    """A sparse source of half a TiB, 8 TiB on a machine with a large disk; half of it would be written."""
    # ThreadSanitizer leaves an address space of about 1 TiB, so not more than is needed.
    columns, rows = 1 << 16, 1 << 21 if shutil.disk_usage(tmp_path).free < 1 << 37 else 1 << 25

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    header += text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    header += text(b"output.weight") + struct.pack("<IQQIQ", 2, columns, rows, 0, 0)
    header += b"\0" * (-len(header) % 32)
    source = tmp_path / "huge.gguf"
    source.write_bytes(header)
    os.truncate(source, len(header) + columns * rows * 4)
    assert shutil.disk_usage(tmp_path).free < columns * rows * 2, "this test wants a smaller disk"
    done = pelton("convert", "huge.gguf", "out.gguf", "--type", "f16")
    assert done.returncode == 1 and "free" in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["huge.gguf"]


def test_ctrl_c_ends_it_cleanly(pelton, model, tmp_path):
    process = subprocess.Popen(
        [pelton.program, "convert", model, str(tmp_path / "out.gguf"), "--type", "q6_k", "-t", "1"],
        cwd=tmp_path, env=pelton.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + TIMEOUT_S
    while not any(path.name.startswith(".out.gguf") for path in tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, errors
    assert "nothing was written" in errors
    assert not list(tmp_path.glob("*out.gguf*")) and not list(tmp_path.glob(".out.gguf*"))


def test_a_folder_with_the_name_of_a_model_in_the_cache_is_found(pelton, tmp_path):
    models = tmp_path / "cache/models"
    models.mkdir(parents=True)
    shutil.copytree(GOLDEN / "arch/llama", models / "tiny", copy_function=shutil.copyfile)
    assert pelton.json("convert", "tiny", "tiny.gguf")["tensors"] > 20
