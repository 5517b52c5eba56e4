#!/usr/bin/env python3
"""Writes a GGUF file of random weights in the shape of a Llama model, or with --experts of Mixtral, to measure speed and memory on sizes that no small
model has. Blocks are random bits with sane scales, so that nothing is quantised: it takes as long as the disk does.

usage: random_model.py FILE.gguf [--type q4_k] [--width 2048 --layers 16 --heads 32 --kv-heads 8 --head-width 64
                                  --feed-forward 8192 --vocabulary 32000] [--experts 8 --active 2] [--seed 1]

The default shape has 1.1 billion parameters. The tokenizer has the bytes, one merge, and fillers; the answers are noise.
Needs numpy. The same options and seed give the same bytes with the same numpy.
"""

import argparse
import os
import pathlib
import struct

import numpy

# id in GGUF, values a block, bytes a block, and the little-endian FP16 fields of a block: (byte offset, scale of the values).
# The scale makes weights of about 0.02, whatever the codes: they reach up to code_max · sub_scale_max.
TYPES = {
    "f32": (0, 1, 4, None),
    "f16": (1, 1, 2, None),
    "bf16": (30, 1, 2, None),
    "q4_0": (2, 32, 18, [(0, 0.02 / 8)]),
    "q4_1": (3, 32, 20, [(0, 0.04 / 15), (2, -0.02)]),
    "q5_0": (6, 32, 22, [(0, 0.02 / 16)]),
    "q5_1": (7, 32, 24, [(0, 0.04 / 31), (2, -0.02)]),
    "q8_0": (8, 32, 34, [(0, 0.02 / 127)]),
    "q4_k": (12, 256, 144, [(0, 0.04 / 15 / 63), (2, 0.02 / 63)]),
    "q5_k": (13, 256, 176, [(0, 0.04 / 31 / 63), (2, 0.02 / 63)]),
    "q6_k": (14, 256, 210, [(208, 0.02 / 32 / 128)]),
}
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q4_k": 14, "q5_k": 16, "q6_k": 18, "bf16": 32}
ALIGNMENT = 32
PIECE_BYTES = 16 << 20
NORMAL, CONTROL, UNUSED = 1, 3, 5


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def u32(key: str, value: int) -> bytes:
    return pair(key, 4, struct.pack("<I", value))


def f32(key: str, value: float) -> bytes:
    return pair(key, 6, struct.pack("<f", value))


def string(key: str, value: str) -> bytes:
    return pair(key, 8, text(value))


def flag(key: str, value: bool) -> bytes:
    return pair(key, 7, struct.pack("<?", value))


def array(key: str, kind: int, values: list[bytes]) -> bytes:
    return pair(key, 9, struct.pack("<IQ", kind, len(values)) + b"".join(values))


def byte_letters() -> list[str]:
    """The printable characters that stand for the 256 bytes in byte-level vocabularies (GPT-2's table)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters, next_letter = [], 256
    for byte in range(256):
        if byte in plain:
            letters.append(chr(byte))
        else:
            letters.append(chr(next_letter))
            next_letter += 1
    return letters


def vocabulary(count: int) -> list[bytes]:
    """Metadata pairs of a byte-level vocabulary of `count` tokens."""
    tokens = ["<|begin|>", "<|end|>", *byte_letters(), "th"]
    if count < len(tokens):
        raise SystemExit(f"--vocabulary: at least {len(tokens)}")
    types = [CONTROL, CONTROL] + [NORMAL] * (len(tokens) - 2)
    tokens += [f"[PAD{i}]" for i in range(len(tokens), count)]
    types += [UNUSED] * (count - len(types))
    return [
        string("tokenizer.ggml.model", "gpt2"),
        string("tokenizer.ggml.pre", "gpt-2"),
        array("tokenizer.ggml.tokens", 8, [text(token) for token in tokens]),
        array("tokenizer.ggml.token_type", 5, [struct.pack("<i", kind) for kind in types]),
        array("tokenizer.ggml.merges", 8, [text("t h")]),
        u32("tokenizer.ggml.bos_token_id", 0),
        u32("tokenizer.ggml.eos_token_id", 1),
        flag("tokenizer.ggml.add_bos_token", False),
    ]


def metadata(options: argparse.Namespace) -> list[bytes]:
    return [
        string("general.architecture", "llama"),
        string("general.name", f"random {options.type}"),
        u32("general.file_type", FILE_TYPES[options.type]),
        u32("general.quantization_version", 2),
        u32("llama.vocab_size", options.vocabulary),
        u32("llama.context_length", options.context),
        u32("llama.embedding_length", options.width),
        u32("llama.block_count", options.layers),
        u32("llama.feed_forward_length", options.feed_forward),
        u32("llama.attention.head_count", options.heads),
        u32("llama.attention.head_count_kv", options.kv_heads),
        u32("llama.attention.key_length", options.head_width),
        u32("llama.attention.value_length", options.head_width),
        u32("llama.rope.dimension_count", options.head_width),
        f32("llama.rope.freq_base", 500000.0),
        f32("llama.attention.layer_norm_rms_epsilon", 1e-5),
        *([u32("llama.expert_count", options.experts), u32("llama.expert_used_count", options.active)] if options.experts else []),
        *vocabulary(options.vocabulary),
    ]


def tensors(options: argparse.Namespace) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes, outermost dimension first."""
    width, kv_width = options.width, options.kv_heads * options.head_width
    layer = [
        ("attn_norm", (width,)),
        ("attn_q", (options.heads * options.head_width, width)),
        ("attn_k", (kv_width, width)),
        ("attn_v", (kv_width, width)),
        ("attn_output", (width, options.heads * options.head_width)),
        ("ffn_norm", (width,)),
    ]
    experts = (options.experts,) if options.experts else ()
    suffix = "_exps" if options.experts else ""
    layer += [("ffn_gate_inp", (options.experts, width))] if options.experts else []
    layer += [
        (f"ffn_gate{suffix}", (*experts, options.feed_forward, width)),
        (f"ffn_up{suffix}", (*experts, options.feed_forward, width)),
        (f"ffn_down{suffix}", (*experts, width, options.feed_forward)),
    ]
    named = [("token_embd.weight", (options.vocabulary, width))]
    for number in range(options.layers):
        named += [(f"blk.{number}.{name}.weight", shape) for name, shape in layer]
    return named + [("output_norm.weight", (width,)), ("output.weight", (options.vocabulary, width))]


def random_blocks(rng: numpy.random.Generator, kind: str, count: int) -> bytes:
    """`count` blocks of the type, or values where it has no blocks."""
    _, _, block_bytes, scales = TYPES[kind]
    if scales is None:
        values = rng.standard_normal(count, dtype=numpy.float32) * numpy.float32(0.02)
        if kind == "f16":
            return values.astype(numpy.float16).tobytes()
        if kind == "bf16":
            return (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
        return values.tobytes()
    blocks = numpy.frombuffer(rng.bytes(count * block_bytes), dtype=numpy.uint8).reshape(count, block_bytes).copy()
    for offset, scale in scales:
        field = (scale * rng.uniform(0.5, 1.5, count)).astype(numpy.float16)
        blocks[:, offset : offset + 2] = field.view(numpy.uint8).reshape(count, 2)
    return blocks.tobytes()


def type_of(shape: tuple[int, ...], kind: str) -> str:
    if len(shape) == 1:
        return "f32"
    if shape[-1] % TYPES[kind][1] != 0:
        raise SystemExit(f"rows of {shape[-1]} are no whole number of {kind} blocks")
    return kind


def size_bytes(shape: tuple[int, ...], kind: str) -> int:
    _, elements, block_bytes, _ = TYPES[kind]
    return numpy.prod(shape, dtype=numpy.int64).item() // elements * block_bytes


def padding(size: int) -> bytes:
    return b"\0" * (-size % ALIGNMENT)


def write_tensor(file, rng: numpy.random.Generator, shape: tuple[int, ...], kind: str) -> None:
    if len(shape) == 1:  # a norm
        file.write(numpy.ones(shape, dtype=numpy.float32).tobytes())
        return
    block_bytes = TYPES[kind][2]
    rest = size_bytes(shape, kind) // block_bytes
    while rest > 0:
        count = min(rest, PIECE_BYTES // block_bytes)
        file.write(random_blocks(rng, kind, count))
        rest -= count


def write_model(path: pathlib.Path, options: argparse.Namespace) -> None:
    pairs = metadata(options)
    listed = [(name, shape, type_of(shape, options.type)) for name, shape in tensors(options)]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(pairs)) + b"".join(pairs)
    offset = 0
    for name, shape, kind in listed:
        header += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        header += struct.pack("<IQ", TYPES[kind][0], offset)
        offset += size_bytes(shape, kind) + len(padding(size_bytes(shape, kind)))
    rng = numpy.random.default_rng(options.seed)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(header + padding(len(header)))
            for _, shape, kind in listed:
                write_tensor(file, rng, shape, kind)
                file.write(padding(size_bytes(shape, kind)))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Writes a GGUF file of random weights in the shape of a Llama model.")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--type", choices=TYPES, default="q4_k", help="of all matrices (default: %(default)s)")
    for name, value in [("width", 2048), ("layers", 16), ("heads", 32), ("kv-heads", 8), ("head-width", 64),
                        ("feed-forward", 8192), ("vocabulary", 32000), ("context", 8192), ("seed", 1), ("experts", 0), ("active", 2)]:
        parser.add_argument(f"--{name}", type=int, default=value, help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse_options()
    write_model(arguments.file, arguments)
