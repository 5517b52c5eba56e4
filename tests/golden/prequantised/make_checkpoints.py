#!/usr/bin/env python3
"""Writes small checkpoints as other programs' quantisers do, bit by bit after each format's description, and beside each
what its weights decode to and the logits of that.

usage: make_checkpoints.py      needs numpy and autograd (PyPI)

`expected.safetensors` holds input_ids, logits (float64 from the decoded weights, by ../arch/make_relatives.py's decoder,
which agrees with transformers) and, as "weight.NAME", some of the decoded matrices in float32.
"""

import json
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "arch"))
from make_relatives import Decoder, in_double, shapes  # noqa: E402

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 32,
    "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}  # fmt: skip
GROUP = 32
SHOWN = ("k_proj", "down_proj")
BF16, F8 = "BF16", "F8_E4M3"


class Raw:
    """Bits that numpy has no type for."""

    def __init__(self, dtype, values):
        self.dtype, self.values = dtype, values


def write_safetensors(path, tensors):
    names = {"float32": "F32", "float16": "F16", "int32": "I32", "int64": "I64", "int8": "I8", "uint8": "U8"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor.values if isinstance(tensor, Raw) else tensor)
        dtype = tensor.dtype if isinstance(tensor, Raw) else names[str(values.dtype)]
        shape = list((tensor.values if isinstance(tensor, Raw) else tensor).shape)
        bytes_ = values.tobytes()
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(bytes_)]}
        data += bytes_
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def bf16_bits(values):
    """Nearest, ties to even."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def bf16_values(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def pack_words(codes, bits, axis):
    """Unsigned codes along an axis into int32 words, from the lowest bits on; short last words are filled with 0."""
    each = 32 // bits
    codes = np.moveaxis(codes, axis, -1).astype(np.uint64)
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % each)])
    words = codes.reshape(*codes.shape[:-1], -1, each)
    words = (words << (np.arange(each, dtype=np.uint64) * bits)).sum(-1).astype(np.uint32).view(np.int32)
    return np.moveaxis(words, -1, axis)


def grouped(weight, bits, rng, zero_min, zero_max, scale_bits=np.float16):
    """Codes [N, K], zeros and scales [N, groups] of one's own choice; the matrix that they decode to is what counts."""
    n, k = weight.shape
    groups = k // GROUP
    zeros = rng.integers(zero_min, zero_max + 1, (n, groups))
    largest = np.abs(weight.reshape(n, groups, GROUP)).max(-1)
    scales = (largest / 2 ** (bits - 1)).astype(np.float32)
    if scale_bits == np.float16:
        scales = scales.astype(np.float16).astype(np.float32)
    else:
        scales = bf16_values(bf16_bits(scales))
    by_column = np.repeat(scales, GROUP, 1), np.repeat(zeros, GROUP, 1)
    codes = np.clip(np.rint(weight / by_column[0]) + by_column[1], 0, 2**bits - 1).astype(np.int64)
    return codes, zeros, scales


def decode(codes, zeros, scales, group_of=None):
    group_of = np.arange(codes.shape[1]) // GROUP if group_of is None else group_of
    return scales[:, group_of] * (codes - zeros[:, group_of]).astype(np.float32)


def gptq(bits, version, zero_min, zero_max, act_order=False):
    def quantise(weight, rng):
        codes, zeros, scales = grouped(weight, bits, rng, zero_min, zero_max)
        group_of = np.arange(codes.shape[1]) // GROUP
        if act_order:
            group_of = rng.permutation(group_of)
        stored = zeros - 1 if version == 1 else zeros
        tensors = {
            "qweight": pack_words(codes.T, bits, 0),
            "qzeros": pack_words(stored.T, bits, 1),
            "scales": scales.T.astype(np.float16),
            "g_idx": group_of.astype(np.int32),
        }
        return tensors, decode(codes, zeros, scales, group_of)

    config = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": act_order, "sym": zero_min == zero_max}
    return config | ({"checkpoint_format": "gptq_v2"} if version == 2 else {}), quantise


def awq():
    def pack(codes):
        order = np.array([0, 2, 4, 6, 1, 3, 5, 7])
        mixed = codes.reshape(codes.shape[0], -1, 8)[:, :, order].reshape(codes.shape)
        return pack_words(mixed, 4, 1)

    def quantise(weight, rng):
        codes, zeros, scales = grouped(weight, 4, rng, 0, 15)
        tensors = {"qweight": pack(codes.T), "qzeros": pack(zeros.T), "scales": scales.T.astype(np.float16)}
        return tensors, decode(codes, zeros, scales)

    return {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}, quantise


def compressed_config(format_, weights):
    group = {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}
    return {
        "quant_method": "compressed-tensors", "format": format_, "quantization_status": "compressed",
        "config_groups": {"group_0": group}, "ignore": ["lm_head"], "kv_cache_scheme": None,
    }  # fmt: skip


def compressed_packed(bits, is_symmetric):
    half = 2 ** (bits - 1)

    def quantise(weight, rng):
        zero_min, zero_max = (half, half) if is_symmetric else (1, 2**bits - 1)
        codes, zeros, scales = grouped(weight, bits, rng, zero_min, zero_max, BF16)
        tensors = {
            "weight_packed": pack_words(codes, bits, 1),
            "weight_scale": Raw(BF16, bf16_bits(scales)),
            "weight_shape": np.array(weight.shape, np.int64),
        }
        if not is_symmetric:
            tensors["weight_zero_point"] = pack_words(zeros, bits, 0)
        return tensors, decode(codes, zeros, scales)

    weights = {"num_bits": bits, "type": "int", "symmetric": is_symmetric, "strategy": "group", "group_size": GROUP}
    return compressed_config("pack-quantized", weights), quantise


def compressed_bytes():
    def quantise(weight, rng):
        scales = (np.abs(weight).max(1, keepdims=True) / 127).astype(np.float32)
        codes = np.clip(np.rint(weight / scales), -128, 127).astype(np.int8)
        return {"weight": codes, "weight_scale": scales}, scales * codes.astype(np.float32)

    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    return compressed_config("int-quantized", weights), quantise


def e4m3_table():
    """What each of the 256 codes stands for."""
    table = []
    for code in range(256):
        exponent, mantissa = code >> 3 & 15, code & 7
        value = mantissa * 2.0**-9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        table.append(np.nan if code & 127 == 127 else -value if code > 127 else value)
    return np.array(table, np.float32)


def e4m3(values):
    table = e4m3_table()
    finite = np.flatnonzero(np.isfinite(table))
    return finite[np.abs(values[..., None] - table[finite]).argmin(-1)].astype(np.uint8)


def compressed_float(power_of_two):
    def quantise(weight, rng):
        scales = (np.abs(weight).max(1, keepdims=True) / 448).astype(np.float32)
        if power_of_two:
            scales = np.exp2(np.ceil(np.log2(scales))).astype(np.float32)
        codes = e4m3(weight / scales)
        tensors = {"weight": Raw(F8, codes), "weight_scale": scales, "input_scale": np.array([0.5], np.float32)}
        return tensors, e4m3_table()[codes] * scales

    weights = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}
    return compressed_config("float-quantized", weights), quantise


def fp8_blocks(rows, columns):
    def quantise(weight, rng):
        n, k = weight.shape
        shape = (-(-n // rows), -(-k // columns))
        scales = (rng.uniform(0.5, 1.5, shape) * np.abs(weight).max() / 448).astype(np.float32)
        spread = np.repeat(np.repeat(scales, rows, 0), columns, 1)[:n, :k]
        codes = e4m3(np.clip(weight / spread, -448, 448))
        return {"weight": Raw(F8, codes), "weight_scale_inv": scales}, e4m3_table()[codes] * spread

    return {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [rows, columns],
    }, quantise  # fmt: skip


NF4 = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)  # fmt: skip


def nf4(is_nested, dtype):
    block = 64

    def quantise(weight, rng):
        flat = weight.reshape(-1)
        absmax = np.abs(flat.reshape(-1, block)).max(1).astype(np.float32)
        state = {"quant_type": "nf4", "blocksize": block, "dtype": dtype, "shape": list(weight.shape)}
        tensors = {"weight.quant_map": NF4}
        if is_nested:
            # Any increasing map will do: the file brings its own.
            nested_map = np.linspace(-1, 1, 256).astype(np.float32)
            offset = absmax.mean()
            centred = absmax - offset
            outer = np.array([np.abs(part).max() for part in np.split(centred, range(16, len(centred), 16))], np.float32)
            codes = np.abs((centred / np.repeat(outer, 16)[: len(centred)])[:, None] - nested_map).argmin(1).astype(np.uint8)
            absmax = nested_map[codes] * np.repeat(outer, 16)[: len(centred)] + np.float32(offset)
            state |= {"nested_blocksize": 16, "nested_dtype": "float32", "nested_offset": float(offset)}
            tensors |= {
                "weight.absmax": codes, "weight.nested_absmax": outer, "weight.nested_quant_map": nested_map,
            }  # fmt: skip
        else:
            tensors["weight.absmax"] = absmax
        scales = np.repeat(absmax, block)
        codes = np.abs((flat / scales)[:, None] - NF4).argmin(1).astype(np.uint8)
        tensors["weight"] = (codes[0::2] << 4 | codes[1::2]).reshape(-1, 1)
        text = json.dumps(state).encode()
        tensors["weight.quant_state.bitsandbytes__nf4"] = np.frombuffer(text, np.uint8)
        decoded = (NF4[codes] * scales).reshape(weight.shape)
        return tensors, bf16_values(bf16_bits(decoded)) if dtype == "bfloat16" else decoded

    return {
        "quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": is_nested, "bnb_4bit_compute_dtype": dtype,
    }, quantise  # fmt: skip


FOLDERS = {
    "gptq": gptq(4, 1, 1, 16),
    "gptq-symmetric": gptq(4, 1, 8, 8),
    "gptq-v2-act-order": gptq(4, 2, 0, 15, act_order=True),
    "gptq-8-bits": gptq(8, 1, 128, 128),
    "awq": awq(),
    "compressed-int4": compressed_packed(4, is_symmetric=True),
    "compressed-int4-zeros": compressed_packed(4, is_symmetric=False),
    "compressed-int8": compressed_packed(8, is_symmetric=True),
    "compressed-w8a8": compressed_bytes(),
    "compressed-fp8": compressed_float(power_of_two=False),
    "compressed-fp8-powers": compressed_float(power_of_two=True),
    "fp8-blocks": fp8_blocks(32, 24),
    "bitsandbytes-nf4": nf4(is_nested=True, dtype="bfloat16"),
    "bitsandbytes-nf4-plain": nf4(is_nested=False, dtype="float32"),
}


def make(name, quantisation, quantise):
    rng = np.random.default_rng(sum(map(ord, name)))
    decoded, tensors, shown = {}, {}, {}
    for tensor, shape in shapes(CONFIG):
        value = rng.standard_normal(shape)
        value = 0.1 * value + 1 if len(shape) == 1 else value * 0.7 / shape[1] ** 0.5
        value = value.astype(np.float32)
        if not tensor.endswith("_proj.weight"):
            tensors[tensor] = decoded[tensor] = value
            continue
        module = tensor.removesuffix(".weight")
        parts, decoded[tensor] = quantise(value, rng)
        decoded[tensor] = decoded[tensor].astype(np.float32)
        tensors |= {f"{module}.{part}": values for part, values in parts.items()}
        if module.endswith(SHOWN):
            shown["weight." + tensor] = decoded[tensor]
    ids = rng.integers(3, CONFIG["vocab_size"], (2, 12)).astype(np.int64)
    decoder = Decoder(CONFIG)
    logits = np.stack([decoder.logits(in_double(decoded), row) for row in ids]).astype(np.float32)
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    config = CONFIG | {"quantization_config": quantisation}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", tensors)
    write_safetensors(folder / "expected.safetensors", {"input_ids": ids, "logits": logits} | shown)
    print(name, sum(file.stat().st_size for file in folder.iterdir()))


if __name__ == "__main__":
    for folder_name, (settings, method) in FOLDERS.items():
        make(folder_name, settings, method)
