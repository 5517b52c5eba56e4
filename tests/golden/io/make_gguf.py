"""Makes small.gguf with the Python package `gguf`, a writer independent of ours: one key of each type, two tensors.

    pip install gguf && python3 make_gguf.py
"""

import pathlib

import gguf
import numpy as np


def main() -> None:
    writer = gguf.GGUFWriter(pathlib.Path(__file__).parent / "small.gguf", "llama")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -2_000_000_000)
    writer.add_uint64("test.u64", 2**64 - 1)
    writer.add_int64("test.i64", -(2**63))
    writer.add_float32("test.f32", 0.1)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "Grüße, 世界")
    writer.add_array("test.strings", ["", "a", "Ġb", "▁c"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.5])
    writer.add_array("test.bools", [True, False, True])
    writer.add_custom_alignment(64)

    values = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    writer.add_tensor("plain", values)
    row = np.linspace(-1, 1, 3 * 64, dtype=np.float32).reshape(3, 64)
    writer.add_tensor("blocks", gguf.quants.quantize(row, gguf.GGMLQuantizationType.Q8_0),
                      raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
