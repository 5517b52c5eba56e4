"""`pelton tokenize`: ids of texts and back, from a tokenizer.json, SentencePiece's own file and a model."""

import base64
import json

import pytest

from conftest import GOLDEN


@pytest.fixture
def tokenizer(tmp_path):
    golden = json.loads((GOLDEN / "text/llama-bpe.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(golden["tokenizer"]))
    return golden


def lines(values) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_ids_of_lines_and_back(pelton, tokenizer, tmp_path):
    cases = tokenizer["cases"]
    (tmp_path / "texts.jsonl").write_text(lines([case["text"] for case in cases[::2]] + [{"text": c["text"]} for c in cases[1::2]]))
    done = pelton("tokenize", "-m", "tokenizer.json", "--file", "texts.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["ids"] for line in done.stdout.splitlines()] == [c["ids"] for c in cases[::2] + cases[1::2]]
    assert f"{len(cases)} texts" in done.stderr and "Pelton's own" in done.stderr
    (tmp_path / "ids.jsonl").write_text(done.stdout)
    back = pelton("tokenize", "-m", "tokenizer.json", "--file", "ids.jsonl", "--decode", "--json")
    assert [json.loads(line)["text"] for line in back.stdout.split("\n")[:-1]] == [c["decoded"] for c in cases[::2] + cases[1::2]]


def test_the_argument_is_a_text(pelton, tokenizer):
    case = next(case for case in tokenizer["cases"] if case["text"] == "Hello, world!")
    done = pelton("tokenize", "-m", "tokenizer.json", case["text"])
    assert done.stdout.splitlines()[0] == " ".join(map(str, case["ids"]))
    assert pelton("tokenize", "-m", "tokenizer.json", "--decode", json.dumps(case["ids"])).stdout == "Hello, world!\n"
    assert pelton("tokenize", "-m", "tokenizer.json", "[a, b]").returncode == 0
    assert pelton("tokenize", "-m", "tokenizer.json", "--count", case["text"]).stdout == f"{len(case['ids'])} tokens\n"


def test_reads_sentencepieces_own_file(pelton, tmp_path):
    golden = json.loads((GOLDEN / "text/sentencepiece_models.json").read_text())["unigram"]
    (tmp_path / "tokenizer.model").write_bytes(base64.b64decode(golden["model"]))
    case = golden["cases"][1]
    assert json.loads(pelton("tokenize", "-m", "tokenizer.model", "--json", case["text"]).stdout)["ids"] == case["ids"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--file", "texts.jsonl"], ["--file", "missing.jsonl"], ["--decode", "[100000000]"], ["--decode", "[-1]"], ["--decode", "x"]],
)
def test_refuses(pelton, tokenizer, arguments):
    done = pelton("tokenize", "-m", "tokenizer.json", *arguments)
    assert done.returncode in (1, 2) and done.stderr.startswith("pelton: error: ")
