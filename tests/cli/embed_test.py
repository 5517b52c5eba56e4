"""`pelton embed` on the tiny encoders of tests/golden/encoder, and on the demo model."""

import json
import math
import shutil
import struct

import pytest

from conftest import GOLDEN

FOLDER = GOLDEN / "encoder"
TEXTS = json.loads((FOLDER / "texts.json").read_text())["texts"]


def expected_embeddings(name: str) -> list[list[float]]:
    data = (FOLDER / name / "expected.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8 : 8 + size])["embeddings"]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    values = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return [list(values[i : i + entry["shape"][1]]) for i in range(0, len(values), entry["shape"][1])]


def lines_of(done) -> list:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_embeddings_are_the_references(pelton, name):
    expected = expected_embeddings(name)
    plain = lines_of(pelton("embed", "-m", FOLDER / name, "--activations", "f32", *TEXTS))
    for got, want in zip(plain, expected, strict=True):
        assert got == pytest.approx(want, abs=1e-5)
    objects = lines_of(pelton("embed", "-m", FOLDER / name, "--activations", "f32", "--json", *TEXTS))
    assert [item["index"] for item in objects] == list(range(len(TEXTS)))
    assert [item["embedding"] for item in objects] == plain
    assert sum(item["tokens"] for item in objects) == 89


def test_texts_come_from_a_file_or_a_pipe(pelton, tmp_path):
    expected = expected_embeddings("bert")
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS[:4]) + "\n", encoding="utf-8")
    from_file = lines_of(pelton("embed", "-m", FOLDER / "bert", "--activations", "f32", "--file", "lines.txt"))
    for got, want in zip(from_file, expected[:4], strict=True):
        assert got == pytest.approx(want, abs=1e-5)
    piped = lines_of(pelton("embed", "-m", FOLDER / "bert", "--activations", "f32", input="\r\n".join(TEXTS[:4])))
    assert piped == from_file
    many = lines_of(pelton("embed", "-m", FOLDER / "bert", "--activations", "f32", input=(TEXTS[0] + "\n") * 600))
    assert len(many) == 600 and all(line == from_file[0] for line in many)


def test_flags_say_otherwise_than_the_model(pelton):
    embed = lambda *options: lines_of(pelton("embed", "-m", FOLDER / "bert", "the cat", *options))[0]
    mean, cls, last = (embed("--pooling", name) for name in ("mean", "cls", "last"))
    assert mean == embed() and mean != cls != last
    raw = embed("--no-normalize")
    length = math.hypot(*raw)
    assert length != pytest.approx(1, abs=1e-3) and [x / length for x in raw] == pytest.approx(mean, abs=1e-5)


def test_a_vocabulary_alone_is_a_tokenizer(pelton, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(FOLDER / "bert", folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n", encoding="utf-8")
    got = lines_of(pelton("embed", "-m", folder, "--activations", "f32", *TEXTS))
    for line, want in zip(got, expected_embeddings("bert"), strict=True):
        assert line == pytest.approx(want, abs=1e-5)


def test_what_is_refused(pelton, tmp_path):
    def refused(code, *arguments, word, **options):
        done = pelton("embed", *arguments, **options)
        assert done.returncode == code and not done.stdout and word in done.stderr, done.stderr

    bert = FOLDER / "bert"
    refused(1, "-m", bert, "cat " * 70, word="60")
    refused(1, "-m", bert, "--dimensions", "8", "cat", word="Matryoshka")
    refused(1, "-m", FOLDER / "bert-reranker", "cat", word="scores")
    refused(2, "-m", bert, "--pooling", "max", "cat", word="--pooling")
    refused(1, "-m", bert, "--file", tmp_path / "missing.txt", word="missing.txt")
    for command in (["run", "Hi", "-m", bert], ["eval", "perplexity", "-m", bert, bert / "config.json"]):
        done = pelton(*command)
        assert done.returncode == 1 and "encoder" in done.stderr, done.stderr


def test_inspect_shows_an_encoder(pelton):
    shown = pelton.json("inspect", FOLDER / "bert")
    assert shown["runnable"] and shown["architecture"] == "bert" and shown["tokenizer"]["kind"] == "WordPiece"


def test_the_demo_model_embeds(pelton, model):
    near, other, far = lines_of(pelton("embed", "-m", model, "A cat.", "A cat?", "Interest rates rose by half a per cent."))
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))
    assert dot(near, near) == pytest.approx(1, abs=1e-5) and dot(near, other) > dot(near, far)
