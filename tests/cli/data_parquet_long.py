"""Parquet beside pyarrow and polars: they read what Pelton writes, and Pelton what they write.

Needs a Python with both: see find_peer_python()."""

import json
import random
import subprocess
import sys

import pytest

from conftest import find_peer_python

SEED = 7

READ = """
import json, sys
import polars, pyarrow.parquet
rows = pyarrow.parquet.read_table("out.parquet").to_pylist()
assert polars.read_parquet("out.parquet").to_dicts() == rows, "polars and pyarrow differ"
json.dump(rows, sys.stdout)
"""
WRITE = """
import json
import polars, pyarrow, pyarrow.parquet
rows = [json.loads(line) for line in open("in.jsonl")]
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), "pyarrow.parquet", row_group_size=100)
polars.DataFrame(rows, infer_schema_length=None).write_parquet("polars.parquet", compression="zstd")
"""


@pytest.fixture(scope="session")
def peer() -> str:
    return find_peer_python("pyarrow", "polars")


def run_peer(peer, program, folder) -> str:
    done = subprocess.run([peer, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def some_records() -> list:
    numbers = random.Random(SEED)
    records = []
    for i in range(1000):
        text = " ".join(numbers.choice(["wheel", "jet", "né", "\n", "\"", "🎉"]) for _ in range(numbers.randint(0, 200)))
        call = {"id": f"c{i}", "type": "function", "function": {"name": "look", "arguments": json.dumps({"x": i})}}
        records.append({
            "id": f"r{i}", "score": i / 8, "n": i, "good": i % 3 == 0, "tags": ["a", text[:5]][: i % 3],
            "meta": {"source": {"url": f"https://example.org/{i}"}},
            "messages": [{"role": "user", "content": text or "q"},
                         {"role": "assistant", "content": "", "tool_calls": [call]},
                         {"role": "tool", "content": "ok", "tool_call_id": f"c{i}"},
                         {"role": "assistant", "content": text[::-1] or "a"}]})
    return records


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_peers_read_what_is_written(pelton, tmp_path, peer):
    records = some_records()
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    report = pelton.json("data", "convert", "in.jsonl", "-o", "out.parquet", "--to", "messages")
    assert report["kept"] == len(records)
    assert without_nulls(json.loads(run_peer(peer, READ, tmp_path))) == records


def test_what_peers_write_is_read(pelton, tmp_path, peer):
    records = some_records()
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    run_peer(peer, WRITE, tmp_path)
    for name in ["pyarrow", "polars"]:
        done = pelton("data", "convert", f"{name}.parquet", "-o", f"{name}.jsonl", "--to", "messages")
        assert done.returncode == 0, done.stderr
        assert [json.loads(line) for line in (tmp_path / f"{name}.jsonl").open()] == records, name


def test_an_empty_table_is_one_for_peers(pelton, tmp_path, peer):
    (tmp_path / "in.jsonl").write_text("")
    assert pelton("data", "convert", "in.jsonl", "-o", "out.parquet", "--to", "messages").returncode == 0
    program = "import pyarrow.parquet as p; print(p.read_table('out.parquet').num_rows)"
    assert run_peer(peer, program, tmp_path).strip() == "0"
