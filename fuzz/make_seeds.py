#!/usr/bin/env python3
"""Makes the seeds in corpus/gguf, corpus/safetensors and corpus/prequantised: small files, right ones and each wrong in
one way; and those in corpus/tokenizer: texts for each tokenizer of fuzz_tokenizer.cc.

Inputs that a fuzzer found are added to the same folders by hand, named after what they broke.
"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
U32, BOOL, STRING, ARRAY, U64 = 4, 7, 8, 9, 10
F32, Q8_0 = 0, 8


def string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, elements: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + elements


def tensor(name: str | bytes, sizes: list[int], kind: int, offset: int) -> bytes:
    return string(name) + struct.pack(f"<I{len(sizes)}qIQ", len(sizes), *sizes, kind, offset)


def gguf(pairs=(), tensors=(), data=b"", version=3, pair_count=None, tensor_count=None, alignment=32) -> bytes:
    header = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if pair_count is None else pair_count,
    )
    header += b"".join(pairs) + b"".join(tensors)
    return header + b"\0" * (-len(header) % alignment) + data


def gguf_seeds() -> dict[str, bytes]:
    four = bytes(16)
    alignment = lambda value: pair("general.alignment", U32, struct.pack("<I", value))
    kinds = [pair(f"k{kind}", kind, bytes(size)) for kind, size in enumerate([1, 1, 2, 2, 4, 4, 4, 1])]
    kinds += [pair("k10", U64, b"\xff" * 8), pair("k11", 11, bytes(8)), pair("k12", 12, bytes(8))]
    kinds += [pair("s", STRING, string("text")), pair("a", ARRAY, array(STRING, 2, string("x") + string("yz")))]
    kinds += [pair(f"a{kind}", ARRAY, array(kind, 2, bytes(2 * size)))
              for kind, size in enumerate([1, 1, 2, 2, 4, 4, 4, 1])]
    return {
        "whole": gguf(kinds, [tensor("one", [2, 2], F32, 0), tensor("two", [32], Q8_0, 32)], four + bytes(16 + 34)),
        "version-2": gguf([pair("k", BOOL, b"\1")], version=2),
        "no-tensors": gguf(),
        "alignment-64": gguf([alignment(64)], [tensor("w", [4], F32, 64)], bytes(64) + four, alignment=64),
        "alignment-3": gguf([alignment(3)]),
        "alignment-huge": gguf([alignment(1 << 31)]),
        "version-1": gguf(version=1),
        "big-endian": gguf(version=3 << 24),
        "counts-2-60": gguf(tensor_count=1 << 60, pair_count=1 << 60),
        "string-2-60": gguf([string("k") + struct.pack("<IQ", STRING, 1 << 60)]),
        "array-2-60": gguf([pair("k", ARRAY, array(BOOL, 1 << 60, b""))]),
        "nested-array": gguf([pair("k", ARRAY, array(ARRAY, 1, array(BOOL, 1, b"\1")))]),
        "bool-2": gguf([pair("k", BOOL, b"\2")]),
        "empty-key": gguf([pair("", BOOL, b"\1")]),
        "key-twice": gguf([pair("k", BOOL, b"\1")] * 2),
        "binary-name": gguf([], [tensor(b"\xff\0", [4], F32, 0)], four),
        "name-twice": gguf([], [tensor("w", [4], F32, 0), tensor("w", [4], F32, 32)], bytes(64)),
        "rank-0": gguf([], [tensor("w", [], F32, 0)], four),
        "rank-5": gguf([], [tensor("w", [1, 1, 1, 1, 4], F32, 0)], four),
        "dimension-0": gguf([], [tensor("w", [4, 0], F32, 0)], four),
        "dimension-negative": gguf([], [tensor("w", [-1, -4], F32, 0)], four),
        "shape-overflow": gguf([], [tensor("w", [1 << 32, 1 << 32], F32, 0)], four),
        "bytes-overflow": gguf([], [tensor("w", [1 << 61, 1], F32, 0)], four),
        "half-a-block": gguf([], [tensor("w", [33], Q8_0, 0)], bytes(64)),
        "unknown-type": gguf([], [tensor("w", [256], 10, 0)], bytes(84)),
        "overlap": gguf([], [tensor("v", [12], F32, 0), tensor("w", [4], F32, 32)], bytes(64)),
        "offset-unaligned": gguf([], [tensor("w", [4], F32, 4)], bytes(64)),
        "offset-beyond": gguf([], [tensor("w", [4], F32, (1 << 64) - 32)], four),
        "truncated-data": gguf([], [tensor("w", [8], F32, 0)], four),
    }


def safetensors(header: object, data_bytes: int = 16, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + bytes(data_bytes)


def described(dtype="F32", shape=(4,), offsets=(0, 16), **more) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def safetensors_seeds() -> dict[str, bytes]:
    return {
        "whole": safetensors({"__metadata__": {"format": "pt"}, "b": described(shape=(2, 1), offsets=(8, 16)),
                              "a": described("BF16", offsets=(0, 8))}),
        "nothing": safetensors({}, 0),
        "scalar-and-empty": safetensors({"s": described("I64", (), (0, 8)), "e": described(shape=(0, 3), offsets=(8, 8))}, 8),
        "too-short": b"1234567",
        "length-2-60": safetensors({}, length=1 << 60),
        "length-beyond": safetensors({}, length=100),
        "no-object": safetensors(b"[1]", 0),
        "broken-json": safetensors(b'{"w": ', 0),
        "invalid-utf8": safetensors(b'{"\xff": 1}', 0),
        "deep": safetensors(b'{"w":' + b"[" * 1500 + b"]" * 1500 + b"}", 0),
        "name-twice": safetensors(b'{"w":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},'
                                  b'"w":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1),
        "metadata-of-numbers": safetensors({"__metadata__": {"a": 1}}, 0),
        "empty-name": safetensors({"": described()}),
        "no-dtype": safetensors({"w": {"shape": [4], "data_offsets": [0, 16]}}),
        "unknown-dtype": safetensors({"w": described("F8_E5M2", (16,))}),
        "unknown-field": safetensors({"w": described(x=1)}),
        "negative-size": safetensors({"w": described(shape=(-4,))}),
        "fractional-size": safetensors({"w": described(shape=(4.5,))}),
        "rank-5": safetensors({"w": described(shape=(1, 1, 1, 1, 4))}),
        "shape-overflow": safetensors({"w": described(shape=(1 << 32, 1 << 32))}),
        "empty-overflow": safetensors({"w": described(shape=(1 << 62, 8, 0), offsets=(0, 0))}, 0),
        "wrong-size": safetensors({"w": described(shape=(3,))}),
        "one-offset": safetensors({"w": described(offsets=(0,))}),
        "offsets-backwards": safetensors({"w": described(offsets=(16, 0))}),
        "offsets-beyond": safetensors({"w": described(offsets=((1 << 64) - 17, (1 << 64) - 1))}),
        "gap": safetensors({"w": described(shape=(3,), offsets=(4, 16))}),
        "overlap": safetensors({"v": described(), "w": described(shape=(2,), offsets=(8, 16))}),
        "trailing-bytes": safetensors({"w": described(shape=(3,), offsets=(0, 12))}),
    }


def tokenizer_seeds() -> dict[str, bytes]:
    texts = {
        "english": "Hello, it's we'LL's 12345 McDonald iPhone ABCdef\n\n  x = {1: 'a'}; // y/\n",
        "scripts": "cafe\u0301 \u212b \u1100\u1161 \u65e5\u672c\u3042 \u0627\u064e \u0915\u094d \u0664\u00bd '\u017f \U0001f44d\U0001f3fd",
        "spaces": " \t \r\n\u00a0\u3000 \n  <|im_start|> <tool>  <|im_end|>\0\u0085 ",
    }
    return {
        f"{name}-{tokenizer}-{how}": bytes([tokenizer, how]) + text.encode()
        for name, text in texts.items()
        for tokenizer in range(17)
        for how in ((0, 1, 2) if tokenizer < 4 else (0,))
    } | {"invalid": b"\0\0abcdefgh\xff", "unfinished": b"\3\0abc\xe4\xb8"}


def prequantised_seeds() -> dict[str, bytes]:
    """Of each golden checkpoint one matrix, after a line with its quantization_config."""
    seeds = {}
    for folder in sorted((CORPUS.parent.parent / "tests/golden/prequantised").iterdir()):
        if not folder.is_dir():
            continue
        config = json.loads((folder / "config.json").read_text())["quantization_config"]
        file = (folder / "model.safetensors").read_bytes()
        begin = 8 + struct.unpack("<Q", file[:8])[0]
        kept, data = {}, b""
        for name, entry in json.loads(file[8:begin]).items():
            if ".k_proj." in name:
                values = file[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]]
                kept[name] = entry | {"data_offsets": [len(data), len(data) + len(values)]}
                data += values
        header = json.dumps(kept).encode()
        seeds[folder.name] = json.dumps(config).encode() + b"\n" + struct.pack("<Q", len(header)) + header + data
    return seeds


def main() -> None:
    targets = {
        "gguf": gguf_seeds(),
        "safetensors": safetensors_seeds(),
        "prequantised": prequantised_seeds(),
        "tokenizer": tokenizer_seeds(),
    }
    for name, seeds in targets.items():
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for seed, contents in seeds.items():
            (CORPUS / name / seed).write_bytes(contents)


if __name__ == "__main__":
    main()
