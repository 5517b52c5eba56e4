"""`pelton rerank` on the tiny rerankers of tests/golden/encoder."""

import json
import math
import struct

import pytest

from conftest import GOLDEN

FOLDER = GOLDEN / "encoder"
PAIRS = json.loads((FOLDER / "texts.json").read_text())["pairs"]


def expected_scores(name: str) -> list[float]:
    """What the reference says of each of PAIRS, before any activation."""
    data = (FOLDER / name / "expected.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    begin, end = json.loads(data[8 : 8 + size])["scores"]["data_offsets"]
    return list(struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end]))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def lines_of(done) -> list:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# The last one's config.json names Identity.
@pytest.mark.parametrize("name, activation", [("bert-reranker", sigmoid), ("modernbert-reranker", sigmoid), ("roberta-reranker", float)])
def test_scores_are_the_references(pelton, name, activation):
    for (query, document), expected in zip(PAIRS, expected_scores(name), strict=True):
        (got,) = lines_of(pelton("rerank", "-m", FOLDER / name, "--activations", "f32", "--json", "--query", query, document))
        assert got == {"index": 0, "document": document, "relevance_score": pytest.approx(activation(expected), abs=2e-5)}


def test_the_best_come_first(pelton, tmp_path):
    documents = [f"the {animal} ran" for animal in ("cat", "dog", "bird", "fish")] + ["hello world", "the cat ran"]
    rerank = lambda *options, **more: pelton("rerank", "-m", FOLDER / "bert-reranker", "--query", "the cat", *options, **more)
    ranked = lines_of(rerank("--json", *documents))
    scores = [item["relevance_score"] for item in ranked]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 5
    order = [item["index"] for item in ranked]
    assert sorted(order) == list(range(6)) and order.index(5) == order.index(0) + 1
    assert all(item["document"] == documents[item["index"]] for item in ranked)
    (tmp_path / "lines.txt").write_text("\n".join(documents) + "\n")
    assert lines_of(rerank("--json", "--top", "2", "--file", "lines.txt")) == ranked[:2]
    plain = rerank(input="\n".join(documents)).stdout.splitlines()
    assert plain == [f"{item['relevance_score']:.4f}  {item['document']}" for item in ranked]
    # More than are computed together.
    assert lines_of(rerank("--json", "--top", "1", input="\n".join(documents * 100)))[0] == ranked[0]


def test_what_is_refused(pelton):
    def refused(code, *arguments, word, **options):
        done = pelton("rerank", *arguments, **options)
        assert done.returncode == code and not done.stdout and word in done.stderr, done.stderr

    reranker = FOLDER / "bert-reranker"
    refused(1, "-m", FOLDER / "bert", "--query", "cat", "dog", word="classifier")
    refused(1, "-m", reranker, "--query", "cat", "dog " * 70, word="64")
    refused(2, "-m", reranker, "dog", word="--query")
    refused(2, "-m", reranker, "--query", "cat", input="", word="no document")
    refused(1, "-m", reranker, "--query", "cat", "--file", "missing.txt", word="missing.txt")
