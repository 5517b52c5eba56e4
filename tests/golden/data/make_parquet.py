"""Writes pyarrow.parquet and its rows as JSON lines, what Pelton must read of it: needs pyarrow (26.0.1 wrote what is here).

Nested chats, nulls, dictionaries, times, bytes, decimals, three row groups, two kinds of compression in one file."""

import datetime
import decimal
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent
CHATS = [
    [{"role": "user", "content": "Où est le café ?"}, {"role": "assistant", "content": "Là-bas.\n\"Ici\" 🎉"}],
    [{"role": "system", "content": "Kurz."}, {"role": "user", "content": "Hi"},
     {"role": "assistant", "content": None, "tool_calls": [
         {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"x\": 1}"}}]},
     {"role": "tool", "content": "2", "tool_call_id": "c1"}, {"role": "assistant", "content": "Two."}],
    [{"role": "user", "content": "Ends\u0000here\u2028so"}, {"role": "assistant", "content": "yes"}],
]


def rows() -> list:
    return [{
        "id": f"p{i}", "messages": CHATS[i % 3], "license": ["mit", None, "apache-2.0"][i % 3],
        "score": None if i % 4 == 0 else i / 8, "count": i * 10**15, "is_good": i % 2 == 0,
        "tags": ["a", "b"][: i % 3], "at": datetime.datetime(2024, 2, 29, 12, 0, i, tzinfo=datetime.timezone.utc),
        "price": decimal.Decimal(i) / 4, "raw": bytes([i, 255]),
        "meta": {"source": {"url": f"https://example.org/{i}"}, "empty": None},
    } for i in range(10)]


def main() -> None:
    call = pa.struct([("id", pa.string()), ("type", pa.string()),
                      ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())]))])
    message = pa.struct([("role", pa.string()), ("content", pa.large_string()), ("tool_calls", pa.list_(call)),
                         ("tool_call_id", pa.string())])
    schema = pa.schema([
        ("id", pa.string()), ("messages", pa.list_(message)), ("license", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float32()), ("count", pa.int64()), ("is_good", pa.bool_()), ("tags", pa.list_(pa.string())),
        ("at", pa.timestamp("ms", "UTC")), ("price", pa.decimal128(10, 2)), ("raw", pa.binary()),
        ("meta", pa.struct([("source", pa.struct([("url", pa.string())])), ("empty", pa.string())])),
    ])
    table = pa.Table.from_pylist(rows(), schema)
    pq.write_table(table, FOLDER / "pyarrow.parquet", row_group_size=4,
                   compression={"id": "snappy", "count": "gzip", "score": "lz4", "license": "none"})
    (FOLDER / "pyarrow.jsonl").write_text("".join(json.dumps(without_nulls(row)) + "\n" for row in rows()))


def without_nulls(value):
    """As Pelton's lines say it."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bytes):
        return value.hex()
    return float(value) if isinstance(value, decimal.Decimal) else value


if __name__ == "__main__":
    main()
