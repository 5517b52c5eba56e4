"""all-MiniLM-L6-v2 itself, from a package of PyPI, against float64 (tests/golden/encoder/make_minilm.py)."""

import base64
import json
import math
import pathlib
import struct
import subprocess

import pytest

from conftest import GOLDEN, find_peer_python

COSINE_F32 = 0.999999


@pytest.fixture(scope="session")
def golden() -> dict:
    return json.loads((GOLDEN / "encoder/minilm.json").read_text())


def embeddings_of(pelton, golden, *arguments) -> list[dict]:
    texts = [case["text"] for case in golden["cases"]]
    done = pelton("embed", "--json", *arguments, "--", *texts)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def cosine(a, b) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def lowest_cosine(got: list[dict], golden: dict) -> float:
    lowest = 1.0
    for item, case in zip(got, golden["cases"], strict=True):
        expected = struct.unpack("<384f", base64.b64decode(case["embedding"]))
        assert item["tokens"] == len(case["ids"]), case["text"]
        lowest = min(lowest, cosine(item["embedding"], expected))
    return lowest


def test_embeddings_are_float64s(pelton, minilm, golden):
    got = embeddings_of(pelton, golden, "-m", minilm, "--activations", "f32")
    assert lowest_cosine(got, golden) > COSINE_F32
    # As sentence-transformers' documentation prints them.
    for i, row in enumerate(golden["similarities"]):
        for j, similarity in enumerate(row):
            assert cosine(got[i]["embedding"], got[j]["embedding"]) == pytest.approx(similarity, abs=6e-5)


def test_the_default_path_is_as_good_on_float_weights(pelton, minilm, golden):
    assert lowest_cosine(embeddings_of(pelton, golden, "-m", minilm), golden) > COSINE_F32


@pytest.fixture(scope="session")
def gguf_python() -> str:
    return find_peer_python("gguf")


# Names and tokenizer as GGUF holds them; 8 bits in weights alone, then in activations too.
@pytest.mark.parametrize(
    "kind, activations, lowest", [("f32", "f32", 0.999999), ("q8_0", "f32", 0.9993), ("q8_0", "int8", 0.997)]
)
def test_gguf_files_give_them_too(pelton, minilm, golden, gguf_python, tmp_path, kind, activations, lowest):
    script = pathlib.Path(__file__).with_name("minilm_gguf.py")
    subprocess.run([gguf_python, script, minilm, tmp_path / "model.gguf", kind], check=True)
    got = embeddings_of(pelton, golden, "-m", tmp_path / "model.gguf", "--activations", activations)
    assert lowest_cosine(got, golden) > lowest
