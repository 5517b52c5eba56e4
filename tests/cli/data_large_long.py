"""`pelton data` on much input: 5 GB of text in bounded memory, and a million files."""

import json
import os
import random
import shutil
import subprocess
import time

import pytest

SEED = 31
CORPUS_BYTES = int(float(os.environ.get("PELTON_LARGE_GB", "5")) * 1e9)
FILE_COUNT = 1_000_000
MEMORY_BYTES_MAX = 1_000_000_000
POLL_S = 0.2


def write_corpus(path, bytes_wanted: int) -> dict:
    """Texts of some 3 kB; every tenth repeats the one five before it, every eleventh but for one word."""
    numbers = random.Random(SEED)
    words = ["".join(numbers.choices("abcdefghijklmnopqrstuvwxyz", k=numbers.randint(2, 9))) for _ in range(20000)]
    # Drawing phrases and not words: five times as fast, and five words in a row still hardly repeat.
    phrases = [" ".join(numbers.choices(words, k=10)) for _ in range(200_000)]
    texts, counts = [], {"records": 0, "exact": 0, "near": 0}
    with open(path, "w") as file:
        while file.tell() < bytes_wanted:
            index = counts["records"]
            if index % 10 == 9:
                text = texts[-5]
                counts["exact"] += 1
            elif index % 11 == 10:
                text = texts[-5] + " indeed"
                counts["near"] += 1
            else:
                text = ". ".join(numbers.choices(phrases, k=48))
            texts = [*texts[-10:], text]
            file.write(json.dumps({"id": f"r{index}", "text": text}) + "\n")
            counts["records"] += 1
    return counts


def run_and_watch(command, folder) -> int:
    """Runs it; the most memory that was its own (not pages of files, which the system takes back when it wants)."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                fields = dict(line.split(":", 1) for line in status)
            peak = max(peak, sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem")) * 1024)
        except (FileNotFoundError, KeyError, ProcessLookupError):
            pass  # it has just ended
        time.sleep(POLL_S)
    assert process.returncode == 0
    return peak


@pytest.mark.timeout(3600)
def test_five_gigabytes_in_one(pelton, tmp_path):
    planted = write_corpus(tmp_path / "in.jsonl", CORPUS_BYTES)
    (tmp_path / "recipe.yaml").write_text(
        "input: in.jsonl\noutput: out.jsonl\ndropped: dropped.jsonl\n"
        "steps:\n- exact\n- minhash: {verify: 0.8}\n- gopher_repetition\n")
    peak = run_and_watch([pelton.program, "data", "run", "recipe.yaml"], tmp_path)
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())
    steps = {step["step"]: step for step in manifest["steps"]}
    assert manifest["counts"]["records"] == planted["records"]
    assert steps["exact"]["dropped"] == planted["exact"]
    assert steps["minhash"]["dropped"] == planted["near"]
    print(f"peak {peak / 1e6:.0f} MB for {CORPUS_BYTES / 1e9:.1f} GB")
    assert peak <= MEMORY_BYTES_MAX
    for name in ("in.jsonl", "out.jsonl"):
        (tmp_path / name).unlink()


@pytest.mark.timeout(3600)
def test_a_million_files(pelton, tmp_path):
    for index in range(FILE_COUNT):
        if index % 1000 == 0:
            folder = tmp_path / "in" / f"{index // 1000:03}"
            folder.mkdir(parents=True)
        with open(folder / f"{index}.jsonl", "w") as file:
            file.write('{"text":"file %d"}\n' % (index - index % 2))
    (tmp_path / "recipe.yaml").write_text("input: in\noutput: out.jsonl\nsteps:\n- exact\n")
    peak = run_and_watch([pelton.program, "data", "run", "recipe.yaml"], tmp_path)
    counts = json.loads((tmp_path / "out.manifest.json").read_text())["counts"]
    assert counts["records"] == FILE_COUNT and counts["kept"] == FILE_COUNT // 2
    assert peak <= MEMORY_BYTES_MAX
    shutil.rmtree(tmp_path / "in")  # now: pytest would do it in the time of another test
