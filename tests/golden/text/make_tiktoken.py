"""Makes tiktoken.json: small files of ranks under the names of published ones, and what tiktoken makes of texts.

usage: make_tiktoken.py      needs tiktoken (PyPI); the ranks are those of qwen2.json, the texts its own and some more
"""

import base64
import json
import pathlib
import unicodedata

import tiktoken
import tiktoken_ext.openai_public as public

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = json.loads((HERE / "qwen2.json").read_text())
MORE = [
    "camelCaseWords HTTPServer iPhone's don'T McDonald's/path//to\n/x",
    "<|endoftext|>a<|im_start|>user\n<|endofprompt|><|extra_3|><|fim_middle|> <|extra_204|>",
    "the the  the\tThe THE theThe 1234567 12,345.67 ٣٤٥",
]  # fmt: skip
# tokenization_qwen.py of the first Qwen.
QWEN_EXPRESSION = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def bytes_of(spelling):
    """GPT-2's spelling of bytes, read back."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    return bytes(table[character] for character in spelling)


def ranks():
    special = {token["content"] for token in GOLDEN["tokenizer"]["added_tokens"]}
    vocabulary = GOLDEN["tokenizer"]["model"]["vocab"]
    tokens = sorted((token for token in vocabulary if token not in special), key=vocabulary.get)
    return {bytes_of(token): rank for rank, token in enumerate(tokens)}


def encodings():
    count = len(ranks())
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
    yield {
        "name": "qwen",
        "pat_str": QWEN_EXPRESSION,
        "mergeable_ranks": ranks(),
        "special_tokens": {name: count + i for i, name in enumerate(names)},
    }
    public.load_tiktoken_bpe = lambda *_, **__: ranks()  # the real files come from the network
    for make in (public.cl100k_base, public.o200k_base):
        yield make()


def main():
    result = {}
    for settings in encodings():
        encoding = tiktoken.Encoding(**settings)
        cases = []
        for text in [case["text"] for case in GOLDEN["cases"]] + MORE:
            normal = unicodedata.normalize("NFC", text) if settings["name"] == "qwen" else text
            cases.append({"text": text, "ids": encoding.encode(normal, allowed_special="all")})
        lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks().items())
        result[settings["name"]] = {"file": "".join(lines), "cases": cases}
    (HERE / "tiktoken.json").write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
