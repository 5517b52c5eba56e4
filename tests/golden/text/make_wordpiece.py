#!/usr/bin/env python3
"""Writes wordpiece.json: a small BERT vocabulary, as tokenizer.json, vocab.txt and GGUF hold it, and what it makes of texts.

usage: make_wordpiece.py   needs tokenizers (PyPI)

The ids are those of Hugging Face's `tokenizers`, and of a plain BERT tokenizer of its own below (Google's definition), which must
agree on every text.
"""

import json
import pathlib
import random
import unicodedata

import tokenizers

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = (
    "the a of and in cafe naive uber red blue green cat dog bird fish sat ran on mat s ed ing er play run eat sleep water fire "
    "un able re do n t i you we they is are was hello world strasse don"
).split()
PIECES = "s ed ing er able re n t ly est is ion al".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = SPECIAL + ["[unused0]"] + list("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~中国日本") + list(LETTERS)
TOKENS += [word for word in WORDS if len(word) > 1] + ["##" + letter for letter in LETTERS]
TOKENS += ["##" + piece for piece in PIECES if len(piece) > 1]
TEXTS = [
    "",
    "   ",
    "The cat sat on the mat.",
    "Café NAÏVE über straße STRASSE İstanbul",
    "don't un-doable playing re-run!",
    "中国 and 日本語 mixed中with国words",
    "a\tb\nc\u00a0d\u2003e\u200bf",
    "control\x00\x07chars \ufffd replacement",
    "e\u0301 precomposed é combining ñ n\u0303",
    "[CLS] not typed [SEP] and [mask] [MASK]",
    "x" * 100,
    "x" * 101,
    "emoji 😀 greek αβγ cyrillic Привет",
    "1234567890 3.14 $5 50%",
    "hello,world;hello:world",
    "snake_case and-dash ~tilde^ `tick`",
    "[unused0] is there",
]


def is_control(character):
    return character not in "\t\n\r" and unicodedata.category(character).startswith("C")


def is_punctuation(character):
    code = ord(character)
    ascii_signs = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_signs or unicodedata.category(character).startswith("P")


def is_chinese(character):
    code = ord(character)
    ranges = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
    return any(first <= code <= last for first, last in ranges)


def words_of(text):
    """BERT's basic tokenizer: clean, space round Chinese characters, lower, strip accents, split at punctuation."""
    cleaned = "".join(" " if c.isspace() else c for c in text if not (c in "\0\ufffd" or is_control(c)))
    spaced = "".join(f" {c} " if is_chinese(c) else c for c in cleaned)
    plain = "".join(c for c in unicodedata.normalize("NFD", spaced) if unicodedata.category(c) != "Mn").lower()
    for word in plain.split():
        part = ""
        for character in word:
            if is_punctuation(character):
                yield from filter(None, [part, character])
                part = ""
            else:
                part += character
        if part:
            yield part


def pieces_of(word, ids):
    """Longest match first."""
    if len(word) > 100:
        return ["[UNK]"]
    pieces, begin = [], 0
    while begin < len(word):
        found = next((end for end in range(len(word), begin, -1) if ("##" if begin else "") + word[begin:end] in ids), None)
        if found is None:
            return ["[UNK]"]
        pieces.append(("##" if begin else "") + word[begin:found])
        begin = found
    return pieces


def plain_ids(text, ids):
    return [ids[piece] for word in words_of(text) for piece in pieces_of(word, ids)]


def main():
    ids = {token: index for index, token in enumerate(TOKENS)}
    assert len(ids) == len(TOKENS)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    plain = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    tokenizer.add_special_tokens(SPECIAL)
    maker = random.Random(5)
    pool = list("abcxyz 019'\"<>|_\n\t.,!?-") + ["é", "中", "😀", "\u0301", "##", "playing", "[SEP]", "\u00a0"]
    texts = TEXTS + ["".join(maker.choice(pool) for _ in range(maker.randrange(1, 40))) for _ in range(40)]
    cases = []
    for text in texts:
        as_text = plain.encode(text, add_special_tokens=False).ids
        assert as_text == plain_ids(text, ids), (text, as_text, plain_ids(text, ids))
        cases.append({"text": text, "ids": tokenizer.encode(text).ids, "plain_ids": [2, *as_text, 3]})
    phantom = [t if t in SPECIAL else t[2:] if t.startswith("##") else "\u2581" + t for t in TOKENS]
    gguf = {"model": "bert", "pre": "", "tokens": phantom, "token_types": [3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL))}
    gguf |= {"bos": 2, "eos": 3, "unknown": 1}
    golden = {"tokenizer": json.loads(tokenizer.to_str()), "vocab_txt": "\n".join(TOKENS) + "\n", "gguf": gguf, "cases": cases}
    path = pathlib.Path(__file__).parent / "wordpiece.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(cases), "texts")


if __name__ == "__main__":
    main()
