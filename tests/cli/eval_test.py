"""`pelton eval`: how good a model is."""

import json
import math

import pytest

from conftest import GOLDEN

TEXT = GOLDEN / "eval/perplexity.txt"
MEAN_KL_MAX = 0.006  # of int8 activations; 0.0035 was measured here, 0.0028 on the whole text


@pytest.fixture(scope="module")
def expected() -> dict:
    """What plain numpy says about the first chunks: tests/golden/eval/make_expected.py."""
    return json.loads((GOLDEN / "eval/expected.json").read_text())


def test_perplexity_is_that_of_plain_float32(pelton, model, expected):
    result = pelton.json(
        "eval", "perplexity", "-m", model, TEXT, "--chunk", expected["chunk_tokens"], "--chunks", expected["chunks"],
        "--activations", "f32",
    )  # fmt: skip
    # Sums in another order change a log-probability by less than 1e-4.
    assert result["perplexity"] == pytest.approx(expected["perplexity"], rel=1e-4)
    assert result["stderr"] == pytest.approx(expected["stderr"], rel=1e-3)
    for name in ("chunk_tokens", "chunks", "tokens"):
        assert result[name] == expected[name]
    assert result["activations"] == "f32" and result["model"]
    assert result["seconds"] > 0 and result["tokens_per_second"] > 0
    assert "kl" not in result and "reference" not in result


def test_int8_stays_close_to_its_reference(pelton, model, expected):
    result = pelton.json(
        "eval", "perplexity", "-m", model, TEXT, "--chunk", expected["chunk_tokens"], "--chunks", expected["chunks"],
        "--reference", "f32",
    )  # fmt: skip
    assert result["activations"] == "int8"
    assert result["reference"]["perplexity"] == pytest.approx(expected["perplexity"], rel=1e-4)
    # A divergence of KL goes with log-ratios of mean KL and variance 2 KL; three standard errors of their mean.
    tolerance = MEAN_KL_MAX + 3 * math.sqrt(2 * MEAN_KL_MAX / expected["tokens"])
    assert abs(math.log(result["perplexity"] / expected["perplexity"])) < tolerance
    kl = result["kl"]
    assert 0 < kl["median"] <= kl["p99"] <= kl["max"]
    assert 0 < kl["mean"] < MEAN_KL_MAX
    assert 0.9 < result["top1_agreement"] <= 1


def test_another_model_can_be_the_reference(pelton, model):
    arguments = ["eval", "perplexity", "-m", model, TEXT, "--chunk", 16, "--chunks", 2]
    own = pelton.json(*arguments, "--reference", "f32")
    (pelton.folder / "same.gguf").symlink_to(model)
    other = pelton.json(*arguments, "--reference", "same.gguf")
    assert (own["reference"]["model"], other["reference"]["model"]) == (own["model"], "same")
    for key in ("kl", "top1_agreement"):
        assert own[key] == other[key]
    error = pelton.json(*arguments, "--reference", GOLDEN / "arch/llama", code=1)["error"]
    assert error["code"] == "invalid_argument" and "tokens" in error["message"]
    assert "no-such-model" in pelton.json(*arguments, "--reference", "no-such-model", code=1)["error"]["message"]


def test_prints_a_report_and_progress(pelton, model):
    done = pelton("eval", "perplexity", "-m", model, TEXT, "--chunk", 16, "--chunks", 2, "--reference", "f32")
    assert done.returncode == 0
    for label in ("Perplexity", "Bits per byte", "2 chunks of 16 tokens, 14 tokens scored", "KL divergence", "Same top token"):
        assert label in done.stdout
    assert "2/2 chunks" in done.stderr and "tokens/s" in done.stderr and "s left" in done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr


def test_bits_per_byte_are_those_of_the_scored_bytes(pelton, model, tmp_path):
    (tmp_path / "digits.txt").write_text("7" * 40)  # this tokenizer makes each digit a token
    result = pelton.json("eval", "perplexity", "-m", model, "digits.txt", "--chunk", 40)
    assert result["tokens"] == 19
    assert result["bits_per_byte"] == pytest.approx(math.log2(result["perplexity"]))


def test_special_tokens_in_a_text_are_text(pelton, model, tmp_path):
    (tmp_path / "special.txt").write_text("<|im_start|>" * 3)
    done = pelton("eval", "perplexity", "-m", model, "special.txt", "--chunk", 8)
    assert done.returncode == 0, done.stderr  # three tokens would be fewer than a chunk


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"a few words", "fewer than one chunk of 512"),
        (b"first\nsecond \xff third", "byte 13, in line 2"),
        (b"cut short \xe2\x82", "byte 10, in line 1"),
    ],
)
def test_refuses_a_bad_text(pelton, model, tmp_path, content, reason):
    (tmp_path / "bad.txt").write_bytes(content)
    done = pelton("eval", "perplexity", "-m", model, "bad.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert pelton.json("eval", "perplexity", "-m", model, "bad.txt", code=1)["error"]["code"] == "invalid_argument"


def test_refuses_chunks_longer_than_the_context(pelton, model):
    done = pelton("eval", "perplexity", "-m", model, TEXT, "--chunk", 8193)
    assert done.returncode == 1
    assert "8193" in done.stderr and "8192" in done.stderr and "--chunk" in done.stderr


def test_refuses_a_model_without_tokenizer(pelton):
    done = pelton("eval", "perplexity", "-m", GOLDEN / "arch/llama", TEXT)
    assert done.returncode == 1 and "tokenizer" in done.stderr


def test_missing_text(pelton, model):
    done = pelton("eval", "perplexity", "-m", model, "missing.txt")
    assert done.returncode == 1 and "missing.txt" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["perplexity"],
        ["perplexity", "-m", "model.gguf"],
        ["perplexity", "-m", "model.gguf", "text.txt", "--chunk", "7"],
        ["perplexity", "-m", "model.gguf", "text.txt", "--chunks", "0"],
        ["perplexity", "-m", "model.gguf", "text.txt", "--activations", "f16"],
        ["surprise"],
    ],
)
def test_bad_usage(pelton, arguments):
    assert pelton("eval", *arguments).returncode == 2
