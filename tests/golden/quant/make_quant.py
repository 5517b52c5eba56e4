"""Makes the files beside it with the Python package `gguf` (numpy), an implementation independent of ours.

    pip install gguf && python3 make_quant.py

TYPE.blocks   random blocks with sane scales, and encoded data where the package can encode
TYPE.values   what it decodes them to, float32
input.values  values to encode: several spreads, offsets, outliers, constants, zeros
TYPE.encoded  what it encodes input.values to (the K-formats are missing: the package only decodes them)
"""

import pathlib

import gguf
import numpy as np

FOLDER = pathlib.Path(__file__).parent
TYPES = gguf.GGMLQuantizationType
# Where each format keeps its FP16 numbers: byte offsets in a block.
SCALES = {
    TYPES.Q4_0: [0],
    TYPES.Q4_1: [0, 2],
    TYPES.Q5_0: [0],
    TYPES.Q5_1: [0, 2],
    TYPES.Q8_0: [0],
    TYPES.Q4_K: [0, 2],
    TYPES.Q5_K: [0, 2],
    TYPES.Q6_K: [208],
}
# Formats that Pelton reads only.
READ_ONLY_SCALES = {
    TYPES.Q2_K: [80, 82],
    TYPES.Q3_K: [108],
    TYPES.IQ4_NL: [0],
    TYPES.IQ4_XS: [0],
    TYPES.MXFP4: [],
    TYPES.TQ2_0: [64],
}
ENCODABLE = [TYPES.F16, TYPES.BF16, TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0, TYPES.Q5_1, TYPES.Q8_0]
INPUT_ELEMENTS = 1024


def make_input(rng: np.random.Generator) -> np.ndarray:
    rows = [rng.standard_normal(32) * 10.0**exponent for exponent in np.linspace(-3, 3, 13)]
    rows += [rng.standard_normal(32) * 0.02 + offset for offset in (-1.0, -0.05, 0.05, 1.0)]
    rows += [np.zeros(32), np.full(32, 0.37), np.full(32, -2.5), np.linspace(-1, 1, 32), np.linspace(0, 3, 32)]
    outlier = rng.standard_normal(32) * 0.02
    outlier[7] = 3.0
    rows += [outlier, -outlier, np.abs(outlier), np.where(np.arange(32) % 2 == 0, 1.0, -1.0)]
    while len(rows) * 32 < INPUT_ELEMENTS:
        rows.append(rng.standard_t(3, 32) * 0.05)
    return np.concatenate(rows).astype(np.float32)


def random_blocks(rng: np.random.Generator, quantization: TYPES, count: int) -> np.ndarray:
    _, block_bytes = gguf.GGML_QUANT_SIZES[quantization]
    blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for offset in SCALES[quantization]:
        scales = (rng.standard_normal(count) * 10.0 ** rng.uniform(-6, 2, count)).astype(np.float16)
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(count, 2)
    return blocks


def main() -> None:
    rng = np.random.default_rng(20240817)
    values = make_input(rng)
    values.tofile(FOLDER / "input.values")
    for quantization in ENCODABLE:
        encoded = gguf.quants.quantize(values.reshape(1, -1), quantization)
        encoded.tofile(FOLDER / f"{quantization.name.lower()}.encoded")
    for quantization in SCALES:
        elements, _ = gguf.GGML_QUANT_SIZES[quantization]
        blocks = random_blocks(rng, quantization, count=1536 // elements).reshape(1, -1)
        if quantization in ENCODABLE:
            some = values.reshape(1, -1)[:, ::2].copy()
            blocks = np.concatenate([blocks, gguf.quants.quantize(some, quantization)], axis=1)
        blocks.tofile(FOLDER / f"{quantization.name.lower()}.blocks")
        gguf.quants.dequantize(blocks, quantization).astype(np.float32).tofile(
            FOLDER / f"{quantization.name.lower()}.values"
        )

    read_only(np.random.default_rng(20261127))


def read_only(rng: np.random.Generator) -> None:
    for quantization, offsets in READ_ONLY_SCALES.items():
        elements, block_bytes = gguf.GGML_QUANT_SIZES[quantization]
        count = 1536 // elements
        blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
        for offset in offsets:
            scales = (rng.standard_normal(count) * 10.0 ** rng.uniform(-6, 2, count)).astype(np.float16)
            blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(count, 2)
        if quantization == TYPES.MXFP4:  # exponents: subnormal, ordinary and large ones
            blocks[:, 0] = np.concatenate([[0, 1, 2, 3, 126, 127, 128, 240], rng.integers(100, 140, count - 8)])
        blocks = blocks.reshape(1, -1)
        blocks.tofile(FOLDER / f"{quantization.name.lower()}.blocks")
        gguf.quants.dequantize(blocks, quantization).astype(np.float32).tofile(
            FOLDER / f"{quantization.name.lower()}.values"
        )


if __name__ == "__main__":
    main()
