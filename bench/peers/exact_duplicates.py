#!/usr/bin/env python3
"""Exact deduplication of JSONL: Pelton beside a tight Python loop (orjson, xxh3), in turns.

usage: exact_duplicates.py CORPUS.jsonl [--turns 5] [--threads 2] [--program build/release/pelton]

Needs orjson and xxhash. Both read the same file and write the records that stay; both must keep the same ones. Pelton also writes
who was dropped and why, the lineage and a manifest, and syncs its files to the disk. Rates are MB of the file a second.
"""

import argparse
import hashlib
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

LOOP = """
import sys, orjson, xxhash
seen = set()
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as kept:
    for line in source:
        key = xxhash.xxh3_128_digest(orjson.loads(line)["text"].encode())
        if key not in seen:
            seen.add(key)
            kept.write(line)
"""


def timed(command: list) -> tuple[float, float]:
    """Seconds by the clock, and of all processors."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default=pathlib.Path(__file__).parents[2] / "build/release/pelton")
    options = parser.parse_args()
    megabytes = options.corpus.stat().st_size / 1e6

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        recipe = folder / "recipe.yaml"
        recipe.write_text(f"input: {options.corpus.resolve()}\noutput: {folder}/pelton.jsonl\nsteps: [exact]\n")
        commands = {
            "python loop": [sys.executable, "-c", LOOP, options.corpus, folder / "loop.jsonl"],
            "pelton": [options.program, "data", "run", recipe, "--threads", options.threads],
        }
        times: dict[str, list] = {key: [] for key in commands}
        for _ in range(options.turns):
            for key, command in commands.items():
                times[key].append(timed([str(word) for word in command]))
        kept = [hashlib.sha256((folder / f"{key}.jsonl").read_bytes()).digest() for key in ("loop", "pelton")]
    for key, runs in times.items():
        wall = statistics.median(run[0] for run in runs)
        cpu = statistics.median(run[1] for run in runs)
        print(f"{key:12} {megabytes / wall:7.0f} MB/s, {megabytes / cpu:7.0f} MB a second of one processor")
    print("the same records stay" if kept[0] == kept[1] else "DIFFERENT records stay")
    return 0 if kept[0] == kept[1] else 1


if __name__ == "__main__":
    raise SystemExit(main())
