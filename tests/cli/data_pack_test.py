"""`pelton data pack`: records as tokens, once, and a training run on them."""

import json
import struct

import pytest

from tiny_chat_model import SPECIAL, write_tiny_chat_model

NAME = "a.tokens.safetensors"
FORMATS = {"I32": "i", "I64": "q", "U8": "B"}


def read_packed(path) -> tuple[dict, dict]:
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    notes = header.pop("__metadata__")
    columns = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        columns[name] = list(struct.unpack(f"<{entry['shape'][0]}{FORMATS[entry['dtype']]}", data[begin:end]))
    return columns, {name: json.loads(text) if name != "tokenizer" else text for name, text in notes.items()}


def write_packed(path, columns: dict, notes: dict) -> None:
    dtypes = {"tokens": "I32", "learnt": "U8", "forms": "U8", "labels": "U8", "sources": "I32"}
    header = {"__metadata__": {name: value if name == "tokenizer" else json.dumps(value) for name, value in notes.items()}}
    data = b""
    for name, values in columns.items():
        dtype = dtypes.get(name, "I64")
        packed = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def ids_of(text: str) -> list:
    """By the tokenizer that tiny_chat_model.py writes: a token a letter."""
    letters = [chr(10), *map(chr, range(32, 127))]
    return [len(SPECIAL) + letters.index(letter) for letter in text]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def model(tmp_path):
    return write_tiny_chat_model(tmp_path / "model")


@pytest.fixture
def chats(tmp_path):
    return write_lines(tmp_path / "chats.jsonl", [
        {"source": "wiki" if n % 2 else "web",
         "messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"number {n}"}]}
        for n in range(7)])


def test_tokens_are_what_the_template_writes(pelton, tmp_path, model, chats):
    report = pelton.json("data", "pack", "-m", model, chats, "-o", NAME)
    columns, notes = read_packed(tmp_path / NAME)
    start, end, newline = 1, 2, ids_of("\n")
    expected, learnt = [], []
    for n in range(7):
        given = [start, *ids_of(f"user\nsay {n}"), end, *newline, start, *ids_of("assistant\n")]
        answer = [*ids_of(f"number {n}"), end]
        expected += given + answer
        learnt += [0] * len(given) + [1] * len(answer)
    # What follows the last learnt token may be there or not: nobody learns it.
    assert [t for t, is_newline in zip(columns["tokens"], trailing_newlines(columns)) if not is_newline] == expected
    assert [flag for flag, is_newline in zip(columns["learnt"], trailing_newlines(columns)) if not is_newline] == learnt
    assert columns["example_ends"] == list(range(1, 8)) and columns["lines"] == list(range(1, 8))
    assert notes["sources"] == [
        {"name": str(chats), "examples": 7, "tokens": len(columns["tokens"]), "learnt": sum(learnt)}]
    assert report["sources"][0]["tokens"] == len(columns["tokens"]) and report["records"] == {"chat": 7}


def trailing_newlines(columns) -> list:
    ends = set(columns["sequence_ends"])
    newline = ids_of("\n")[0]
    return [i + 1 in ends and token == newline for i, token in enumerate(columns["tokens"])]


def test_training_on_them_is_training_on_the_records(pelton, tmp_path, model, chats):
    assert pelton("data", "pack", "-m", model, chats, "-o", NAME, "-t", "2").returncode == 0
    weights = []
    for name, data in [("records", chats), ("tokens", NAME)]:
        done = pelton("tune", "-m", model, "--data", data, "--output", name, "--steps", "3", "--rank", "4")
        assert done.returncode == 0, done.stderr
        weights.append((tmp_path / name / "adapter_model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_counted_by_a_field_and_the_same_for_any_threads(pelton, tmp_path, model, chats):
    report = pelton.json("data", "pack", "-m", model, chats, "-o", NAME, "-t", "1", "--source-field", "source")
    assert [(row["source"], row["examples"]) for row in report["sources"]] == [("web", 4), ("wiki", 3)]
    one = (tmp_path / NAME).read_bytes()
    assert pelton("data", "pack", "-m", model, chats, "-o", NAME, "-t", "3", "--source-field", "source").returncode == 0
    assert (tmp_path / NAME).read_bytes() == one


def test_long_texts_are_cut_so_that_each_token_is_learnt_once(pelton, tmp_path, model):
    write_lines(tmp_path / "t.jsonl", [{"text": "abcdefghijklmnopqrstuvw"}, {"text": "xyz"}])
    pack = ["data", "pack", "-m", model, "t.jsonl", "-o", NAME, "--sequence-length", "8"]
    refused = pelton(*pack)
    assert refused.returncode != 0 and "t.jsonl:1: " in refused.stderr and "24 tokens" in refused.stderr
    assert sorted(file.name for file in tmp_path.iterdir() if NAME in file.name) == []
    assert pelton(*pack, "--cut").returncode == 0
    columns, _ = read_packed(tmp_path / NAME)
    letters = ids_of("abcdefghijklmnopqrstuvw") + [2]
    begins = [0, *columns["sequence_ends"]]
    pieces = [columns["tokens"][a:b] for a, b in zip(begins, begins[1:])]
    assert all(len(piece) <= 8 for piece in pieces)
    assert pieces[0] + [token for piece in pieces[1:-1] for token in piece[1:]] == letters
    assert sum(columns["learnt"]) == len(letters) - 1 + 3


def test_preferences_and_labels_stay_what_they_are(pelton, tmp_path, model):
    write_lines(tmp_path / "p.jsonl", [{"prompt": "q", "chosen": "good", "rejected": "bad"}])
    assert pelton("data", "pack", "-m", model, "p.jsonl", "-o", NAME).returncode == 0
    columns, _ = read_packed(tmp_path / NAME)
    assert columns["example_ends"] == [2]
    assert columns["tokens"] == ids_of("qgood") + [2] + ids_of("qbad") + [2]
    done = pelton("tune", "-m", model, "--data", NAME, "--output", "dpo", "--objective", "dpo", "--steps", "1")
    assert done.returncode == 0, done.stderr
    write_lines(tmp_path / "l.jsonl", [{"prompt": "q", "completion": "a", "label": label} for label in (True, False)])
    assert pelton("data", "pack", "-m", model, "l.jsonl", "-o", NAME).returncode == 0
    assert read_packed(tmp_path / NAME)[0]["labels"] == [1, 2]


def test_another_models_tokens_are_refused(pelton, tmp_path, model, chats):
    assert pelton("data", "pack", "-m", model, chats, "-o", NAME).returncode == 0
    other = write_tiny_chat_model(tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"!": 5', '"!": 6').replace('"\\"": 6', '"\\"": 5'))
    assert (other / "tokenizer.json").read_text() != text
    done = pelton("tune", "-m", other, "--data", NAME, "--output", "out", "--steps", "1")
    assert done.returncode != 0 and "another model's tokenizer" in done.stderr


DAMAGES = {
    "a token that is none": lambda c, n: c["tokens"].__setitem__(3, 1 << 20),
    "a negative token": lambda c, n: c["tokens"].__setitem__(0, -1),
    "ends that go back": lambda c, n: c["sequence_ends"].__setitem__(1, 2),
    "an end beyond all": lambda c, n: c["sequence_ends"].__setitem__(6, 1 << 40),
    "an example without a sequence": lambda c, n: c["example_ends"].__setitem__(2, 2),
    "a first token that is learnt": lambda c, n: c["learnt"].__setitem__(0, 1),
    "nothing learnt": lambda c, n: c["learnt"].__setitem__(slice(None), [0] * len(c["learnt"])),
    "a source out of the list": lambda c, n: c["sources"].__setitem__(0, 9),
    "a form out of the list": lambda c, n: c["forms"].__setitem__(0, 99),
    "a label where there is none": lambda c, n: c["labels"].__setitem__(0, 1),
    "a column too short": lambda c, n: c["lines"].pop(),
    "no column": lambda c, n: c.pop("learnt"),
    "no metadata": lambda c, n: n.pop("sources"),
    "a form that is not known": lambda c, n: n.__setitem__("forms", ["riddle"] * 7),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(pelton, tmp_path, model, chats, damage):
    assert pelton("data", "pack", "-m", model, chats, "-o", NAME).returncode == 0
    columns, notes = read_packed(tmp_path / NAME)
    write_packed(tmp_path / NAME, columns, notes)
    good = pelton("tune", "-m", model, "--data", NAME, "--output", "good", "--steps", "1", "--rank", "1")
    assert good.returncode == 0, good.stderr
    DAMAGES[damage](columns, notes)
    write_packed(tmp_path / NAME, columns, notes)
    done = pelton("tune", "-m", model, "--data", NAME, "--output", "out", "--steps", "1")
    assert done.returncode == 1 and "as a file of tokens" in done.stderr, done.stderr
