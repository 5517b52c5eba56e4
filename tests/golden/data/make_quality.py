#!/usr/bin/env python3
"""Makes quality.json: texts, and what datatrove's filters say of them.

usage: make_quality.py NOVEL.txt > quality.json       with datatrove and spaCy, as of 0.10.1 and 3.8

NOVEL is any English text without rights. Its paragraphs are kept, and spoilt in the ways that the rules look for. Each text
has two lists of results (Gopher quality, Gopher repetition, C4, FineWeb): with spaCy's words, and with words that are what
stands between white space, so that rules and words can be compared each for themselves.
"""

import json
import random
import sys

import datatrove.pipeline.filters.c4_filters as c4
import datatrove.pipeline.filters.fineweb_quality_filter as fineweb
import datatrove.pipeline.filters.gopher_quality_filter as gopher_quality
import datatrove.pipeline.filters.gopher_repetition_filter as gopher_repetition
from datatrove.data import Document

TEXTS = 260
SPOILERS = [
    lambda rng, lines: lines,
    lambda rng, lines: [f"- {line}" for line in lines],
    lambda rng, lines: [f"• {line}" if rng.random() < 0.93 else line for line in lines],
    lambda rng, lines: [line.rstrip(".") + "..." if rng.random() < 0.4 else line for line in lines],
    lambda rng, lines: [line.replace(" ", " # ", rng.randrange(4)) for line in lines],
    lambda rng, lines: lines + [rng.choice(lines) for _ in range(rng.randrange(1, 8))],
    lambda rng, lines: [line for line in lines for _ in range(rng.choice([1, 1, 1, 2]))],
    lambda rng, lines: [line[: rng.randrange(10, 60)] for line in lines],
    lambda rng, lines: [line.rstrip(".!?\"'") for line in lines],
    lambda rng, lines: lines[:2] + ["{ return 0; }"] + lines[2:],
    lambda rng, lines: lines + ["Please enable JavaScript.", "Read our privacy policy and the terms of use."],
    lambda rng, lines: lines + ["Lorem ipsum dolor sit amet."],
    lambda rng, lines: [f"{line} [{rng.randrange(99)}]" if rng.random() < 0.7 else line for line in lines],
    lambda rng, lines: [" ".join(str(rng.randrange(10**6)) for _ in range(12)) if rng.random() < 0.4 else line for line in lines],
    lambda rng, lines: [" ".join(word for word in line.split() if len(word) < 4) for line in lines],
    lambda rng, lines: ["".join(line.split()) if rng.random() < 0.6 else line for line in lines],
    lambda rng, lines: [" ".join([line.split()[0], line.split()[-1]] * rng.randrange(2, 9)) for line in lines if line.split()],
    lambda rng, lines: lines[: rng.randrange(1, 3)],
    lambda rng, lines: [f"key_{i}: don't, {rng.randrange(100)}km; x=y/z, e.g. www.example.org/a-b." for i in range(rng.randrange(5, 30))],
    lambda rng, lines: [line.translate(str.maketrans({"'": "’", '"': "”", "-": "—"})) for line in lines],
]


def texts(novel: str, rng: random.Random):
    paragraphs = [" ".join(part.split()) for part in novel.split("\n\n")]
    paragraphs = [part for part in paragraphs if len(part.split()) > 6]
    for number in range(TEXTS):
        begin = rng.randrange(len(paragraphs) - 12)
        lines = [line[: rng.randrange(40, 220)].strip() for line in paragraphs[begin : begin + rng.randrange(2, 9)]]
        lines = SPOILERS[number % len(SPOILERS)](rng, lines)
        yield rng.choice(["\n", "\n", "\n\n"]).join(lines)


def filters():
    return [
        gopher_quality.GopherQualityFilter(),
        gopher_repetition.GopherRepetitionFilter(),
        c4.C4QualityFilter(),
        fineweb.FineWebQualityFilter(),
    ]


def results(text: str) -> list[str]:
    verdicts = [check.filter(Document(text=text, id="0")) for check in filters()]
    return ["keep" if verdict is True else verdict[1] for verdict in verdicts]


def main() -> None:
    rng = random.Random(1)
    items = [{"text": text} for text in texts(open(sys.argv[1]).read(), rng)]
    for item in items:
        item["spacy"] = results(item["text"])
    for module in (gopher_quality, gopher_repetition, fineweb):
        module.split_into_words = lambda text, language=None: text.split()
    for item in items:
        item["space"] = results(item["text"])
    json.dump(items, sys.stdout, ensure_ascii=False, indent=0)


if __name__ == "__main__":
    main()
