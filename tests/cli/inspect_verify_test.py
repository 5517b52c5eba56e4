"""`pelton inspect` shows what a file holds; `pelton verify` proves that it computes the right thing."""

import json
import re
import shutil
import struct

import pytest

from conftest import GOLDEN

ARCHITECTURES = ["llama", "llama-tied-mqa", "llama-linear", "llama-yarn", "llama3-rope"]


def test_inspect_shows_the_demo_model(pelton, model):
    facts = pelton.json("inspect", model)
    assert facts["format"] == "GGUF 3"
    assert facts["architecture"] == "llama"
    assert facts["runnable"] is True and facts["problem"] is None
    assert facts["parameters"] == 134_515_008
    assert facts["tensor_count"] == 272 == sum(row["tensors"] for row in facts["types"])
    assert {row["type"] for row in facts["types"]} == {"q4_1", "q8_0", "f32"}
    assert facts["memory"]["weights_bytes"] == sum(row["bytes"] for row in facts["types"])
    spec = facts["spec"]
    assert (spec["layers"], spec["width"], spec["query_heads"], spec["key_value_heads"]) == (30, 576, 9, 3)
    assert spec["context_length"] == 8192 and spec["tied_output"] is True
    assert facts["memory"]["kv_f32_bytes_per_token"] == 2 * 30 * 3 * 64 * 4
    assert facts["memory"]["kv_bf16_bytes_full_context"] == 2 * 30 * 3 * 64 * 2 * 8192
    tokenizer = facts["tokenizer"]
    assert tokenizer["vocabulary"] == 49152 and "BPE" in tokenizer["kind"]
    assert tokenizer["bos"] == {"id": 1, "text": "<|im_start|>"}
    assert {"id": 2, "text": "<|im_end|>"} in tokenizer["ends"]
    assert "<|im_start|>" in facts["chat_template"]
    assert "metadata" not in facts and "tensors" not in facts


def test_inspect_lists_metadata_and_tensors_on_demand(pelton, model):
    facts = pelton.json("inspect", model, "--metadata", "--tensors")
    assert facts["metadata"]["general.architecture"] == "llama"
    assert facts["metadata"]["tokenizer.ggml.tokens"] == "[49152 strings]"
    assert {"name": "token_embd.weight", "type": "q8_0", "shape": [49152, 576]} in facts["tensors"]
    text = pelton("inspect", model, "--metadata", "--tensors").stdout
    assert "general.architecture = llama" in text
    assert re.search(r"blk\.29\.ffn_up\.weight +q4_1 +\[1536, 576\]", text)


def test_inspect_prints_the_template_whole(pelton, model):
    done = pelton("inspect", model, "--template")
    assert done.stdout == pelton.json("inspect", model)["chat_template"]


def test_inspect_text_has_the_sections(pelton, model):
    text = pelton("inspect", model).stdout
    for label in ("Model", "Format", "Architecture", "Sizes", "Context", "Weights", "Memory", "Tokens", "Chat template", "Runs"):
        assert re.search(rf"^{label} +\S", text, re.MULTILINE), label
    assert all(len(line) < 160 for line in text.splitlines())


def test_inspect_a_folder_without_tokenizer(pelton):
    facts = pelton.json("inspect", GOLDEN / "arch/llama")
    assert facts["format"] == "Hugging Face folder"
    assert facts["runnable"] is True
    assert facts["tokenizer"] is None and facts["chat_template"] is None
    assert facts["parameters"] > 0
    assert pelton("inspect", GOLDEN / "arch/llama", "--template").returncode == 1


def test_inspect_counts_experts(pelton):
    facts = pelton.json("inspect", GOLDEN / "arch/mixtral")
    total = facts["parameters"]
    unused = 3 * 2 * 3 * 96 * 64  # layers, experts that a token does not use, matrices of each
    assert facts["experts"] == {
        "count": 4, "active": 2, "width": 96, "layers": 3, "parameters": total, "active_parameters": total - unused,
    }  # fmt: skip
    text = pelton("inspect", GOLDEN / "arch/mixtral").stdout
    assert "4 of width 96 in 3 layers, 2 active for each token" in text
    assert pelton.json("inspect", GOLDEN / "arch/llama")["experts"] is None


def test_inspect_bare_weights(pelton):
    facts = pelton.json("inspect", GOLDEN / "arch/llama/expected.safetensors", "--tensors")
    assert facts["format"] == "safetensors" and facts["runnable"] is False
    assert "logits" in {tensor["name"] for tensor in facts["tensors"]}


def parts_or_self(call):
    return call["parts"] or [call["name"]]


def test_inspect_prints_the_plan_before_and_after_fusing(pelton):
    folder = GOLDEN / "arch/llama"
    assert "plan" not in pelton.json("inspect", folder)
    facts = pelton.json("inspect", folder, "--plan")
    layer_count = facts["spec"]["layers"]
    plan = facts["plan"]
    before, after = plan["before"], plan["after"]
    for side in (before, after):
        assert side["call_count"] == len(side["calls"]) == sum(side["kinds"].values())
    assert before["call_count"] == 15 * layer_count + 4
    assert after["call_count"] == 7 * layer_count + 5
    assert before["kinds"]["silu_gate"] == layer_count and "gated_linear" not in before["kinds"]
    assert after["kinds"]["gated_linear"] == after["kinds"]["query_key_value_write"] == layer_count
    assert after["kinds"]["add_rms_norm"] == 2 * layer_count - 1
    # Nothing is lost, nothing is done twice.
    done = [name for call in after["calls"] for name in parts_or_self(call)]
    assert sorted(done) == sorted(call["name"] for call in before["calls"])
    names = {fusion["name"] for fusion in plan["fusions"]}
    assert names >= {"residual_norm", "gated_linear", "query_key_value", "kv_write", "logits_top_k"}
    assert after["kinds"]["logits_top_k"] == 1

    text = pelton("inspect", folder, "--plan").stdout
    assert f"before fusing (training): {before['call_count']} calls" in text
    assert f"after fusing (inference with int8 activations): {after['call_count']} calls" in text
    assert re.search(r"^layers\.0\.mlp\.gate +linear +%\d+ \[\d+\] → %\d+ \[\d+\]", text, re.MULTILINE)
    assert re.search(r"^layers\.0\.mlp\.activation +gated_linear ", text, re.MULTILINE)


def test_inspect_shows_that_quantised_weights_want_quantised_rows(pelton, model):
    kinds = pelton.json("inspect", model, "--plan")["plan"]["after"]["kinds"]
    assert kinds["gated_linear_quantise"] == 30 and kinds["add_rms_norm_quantise"] == 59


def test_inspect_has_no_plan_for_what_does_not_run(pelton, tmp_path):
    write_gguf(tmp_path / "mamba.gguf", {"general.architecture": b"mamba"})
    assert pelton.json("inspect", "mamba.gguf", "--plan")["plan"] is None
    done = pelton("inspect", "mamba.gguf", "--plan")
    assert done.returncode == 0 and "No plan" in done.stdout


def gguf_string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def write_gguf(path, metadata):
    """String metadata and one tensor of 32 floats."""
    string_type, f32 = 8, 0
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(metadata))
    for key, value in metadata.items():
        data += gguf_string(key.encode()) + struct.pack("<I", string_type) + gguf_string(value)
    data += gguf_string(b"output.weight") + struct.pack("<IQIQ", 1, 32, f32, 0)
    data += b"\0" * (-len(data) % 32) + b"\0" * 128
    path.write_bytes(data)


def test_inspect_says_which_part_is_unsupported(pelton, tmp_path):
    write_gguf(tmp_path / "mamba.gguf", {"general.architecture": b"mamba"})
    facts = pelton.json("inspect", "mamba.gguf")
    assert facts["architecture"] == "mamba" and facts["runnable"] is False
    assert "mamba" in facts["problem"] and "llama" in facts["problem"]
    assert facts["parameters"] == 32 and facts["spec"] is None


def test_inspect_never_obeys_what_a_file_says_to_the_terminal(pelton, tmp_path):
    write_gguf(tmp_path / "evil.gguf", {"general.architecture": b"\x1b[2Jx\xff", "general.name": b"a\nb\x9b"})
    done = pelton("inspect", "evil.gguf", "--metadata")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout and "\\x1b[2Jx\ufffd" in done.stdout
    assert "a\\nb" in done.stdout
    pelton.json("inspect", "evil.gguf", "--metadata")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_verify_passes_on_the_oracles(pelton, name):
    folder = GOLDEN / "arch" / name
    report = pelton.json("verify", "--model", folder, "--expected", folder / "expected.safetensors")
    assert report["passed"] is True
    assert report["max_abs_diff"] < 1e-3 and report["max_rel_diff"] < 1e-3 and report["kl"] < 1e-6
    assert report["greedy"]["passed"] and report["greedy"]["compared"] > 0
    assert report["gradients"]["passed"] and report["gradients"]["compared"] > 0
    assert report["gradients"]["worst"] < 1e-3


def test_verify_prints_a_table(pelton):
    folder = GOLDEN / "arch/llama"
    done = pelton("verify", "--model", folder, "--expected", folder / "expected.safetensors")
    assert done.returncode == 0
    for text in ("whole", "chunks of 7", "token by token", "greedy", "loss", "gradients"):
        assert text in done.stdout
    assert done.stdout.endswith("passed\n")


def test_verify_fails_on_a_model_that_is_not_the_same(pelton, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(GOLDEN / "arch/llama", changed, copy_function=shutil.copyfile)
    weights = bytearray((changed / "model.safetensors").read_bytes())
    weights[-2] ^= 0x40  # the largest bit of a float's exponent, nearly
    (changed / "model.safetensors").write_bytes(weights)
    arguments = ["verify", "--model", changed, "--expected", changed / "expected.safetensors"]
    report = pelton.json(*arguments, code=1)
    assert report["passed"] is False
    done = pelton(*arguments)
    assert done.returncode == 1 and done.stdout.endswith("FAILED\n") and done.stderr == ""


def test_verify_refuses_what_is_no_reference(pelton, tmp_path):
    folder = GOLDEN / "arch/llama"
    (tmp_path / "bad.safetensors").write_bytes(b"\0" * 7)
    for expected, reason in [
        (folder / "model.safetensors", "input_ids"),
        ("bad.safetensors", "bad.safetensors"),
        ("missing.safetensors", "missing.safetensors"),
        (GOLDEN / "arch/llama-tied-mqa/expected.safetensors", ""),
    ]:
        done = pelton("verify", "--model", folder, "--expected", expected)
        assert done.returncode == 1, done.stdout
        if reason:
            assert reason in done.stderr
