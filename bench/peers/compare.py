#!/usr/bin/env python3
"""Pelton beside other engines: the same GGUF file, threads and tokens, in turns, so that drift of the machine meets all
alike.

  compare.py --install                      makes build/peers and installs the engines of requirements.txt in it
  compare.py -m MODEL [-p 512] [-n 128] ... prints the table; `pelton bench model --peer llama.cpp` calls it so
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import venv

from workload import add_options

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / "build/peers"
PYTHON = ENVIRONMENT / "bin/python"
# Name, the script that runs it once, the module that it needs.
PEERS = {
    "llama.cpp": ("llama_cpp_peer.py", "llama_cpp"),
    "openvino": ("openvino_peer.py", "openvino_genai"),
}
# Tasks that wanted a core in the last minute, for each core there is.
QUIET_LOAD_PER_CORE = 0.5
# Turns whose slowest and fastest lie farther apart were disturbed, whatever the load was before the first.
STEADY_MIN_OF_MAX = 0.7


def fail(message: str):
    raise SystemExit(f"compare.py: {message}")


def install() -> int:
    """One package at a time: an engine that does not install leaves the others."""
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    failed = []
    for line in (HERE / "requirements.txt").read_text().splitlines():
        requirement = line.split("#")[0].strip()
        if requirement and subprocess.run([PYTHON, "-m", "pip", "install", "-q", requirement]).returncode != 0:
            failed.append(requirement)
    if failed:
        print(f"compare.py: not installed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


class Engine:
    """Something that runs once through all phases and prints a JSON object with `results`."""

    def __init__(self, name: str, command: list):
        self.name = name
        self.command = [str(word) for word in command]
        self.rates: dict[tuple, list[float]] = {}  # (phase, batch, threads) → tokens/s, one a repetition
        self.perplexity: float | None = None

    def run(self, extra: list = ()):
        command = [*self.command, *map(str, extra)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            fail(f"{self.name} failed ({done.returncode}): {shlex.join(command)}\n{done.stderr.strip()[-2000:]}")
        # Engines may print more than what they are asked for; the object stands last.
        self.read(json.loads(done.stdout.strip().splitlines()[-1]))

    def read(self, answer: dict):
        """Pelton says the perplexity beside each speed, the peers once."""
        qualities = [found["quality"] for found in answer["results"] if found.get("quality")]
        self.perplexity = self.perplexity or (qualities[0]["perplexity"] if qualities else answer.get("perplexity"))
        for found in answer["results"]:
            rate = found["tokens_per_second"]
            key = (found["phase"], found["batch"], found["threads"])
            self.rates.setdefault(key, []).append(rate["median"] if isinstance(rate, dict) else rate)


class LlamaBench(Engine):
    """llama.cpp's own benchmark, for who has built it; one sequence only."""

    def __init__(self, program: str, options: argparse.Namespace):
        super().__init__("llama-bench", [program])
        self.options = options

    def run(self, extra: list = ()):  # it computes no perplexity
        for threads in self.options.threads:
            common = [*self.command, "-m", self.options.model, "-t", threads, "-r", 1, "-o", "json"]
            if self.options.prompt_tokens > 0:
                self.measure("prefill", threads, [*common, "-p", self.options.prompt_tokens, "-n", 0])
            if self.options.tokens > 0:
                arguments = ["-p", 0, "-n", self.options.tokens, "-d", self.options.context]
                self.measure("decode", threads, [*common, *arguments])

    def measure(self, phase: str, threads: int, command: list):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"llama-bench failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
        self.rates.setdefault((phase, 1, threads), []).append(json.loads(done.stdout)[0]["avg_ts"])


def workload_arguments(options: argparse.Namespace) -> list:
    joined = lambda values: ",".join(map(str, values))
    return [
        *("-m", options.model, "-p", options.prompt_tokens, "-n", options.tokens, "--context", options.context),
        *("-b", joined(options.batch), "-t", joined(options.threads)),
    ]


def quality_arguments(options: argparse.Namespace) -> list:
    """Once is enough: it does not wander as speeds do."""
    return ["--text", pathlib.Path(options.text).absolute(), "--chunks", options.chunks] if options.text else []


def make_engines(options: argparse.Namespace) -> list[Engine]:
    arguments = workload_arguments(options)
    engines = [Engine("pelton", [options.pelton, "bench", "model", *arguments, "--repeat", 1, "--json"])]
    for name in options.peer:
        script, module = PEERS[name]
        if not PYTHON.exists() or subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True).returncode:
            fail(f"the peer {name} is not installed; install it with: python3 {shlex.quote(str(HERE / 'compare.py'))} --install")
        engines.append(Engine(name, [PYTHON, HERE / script, *arguments]))
    if options.llama_bench:
        engines.append(LlamaBench(options.llama_bench, options))
    return engines


def rows_of(engines: list[Engine]) -> list[dict]:
    """By phase, threads and batch, Pelton first; `ratio`: how many times as fast Pelton is, by medians."""
    rows = []
    for key in engines[0].rates:
        pelton_median = statistics.median(engines[0].rates[key])
        for engine in engines:
            if key not in engine.rates:
                continue
            rates = engine.rates[key]
            median = statistics.median(rates)
            rows.append(
                {
                    **dict(zip(("phase", "batch", "threads"), key)),
                    "engine": engine.name,
                    "tokens_per_second": {"median": median, "min": min(rates), "max": max(rates)},
                    "ratio": pelton_median / median,
                    "perplexity": engine.perplexity,
                    "is_steady": min(rates) >= STEADY_MIN_OF_MAX * max(rates),
                }
            )
    return rows


def print_table(rows: list[dict]):
    titles = ["phase", "batch", "threads", "engine", "tok/s", "min", "max", "pelton is", "perplexity", "turns"]
    cells = [titles]
    for row in rows:
        rate = row["tokens_per_second"]
        ratio = "" if row["engine"] == "pelton" else f"{row['ratio']:.2f} ×"
        cells.append(
            [row["phase"], str(row["batch"]), str(row["threads"]), row["engine"]]
            + [f"{rate[name]:.1f}" for name in ("median", "min", "max")]
            + [ratio, f"{row['perplexity']:.4f}" if row["perplexity"] else "", "" if row["is_steady"] else "unsteady"]
        )
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        left = [line[i].ljust(widths[i]) if i in (0, 3, 9) else line[i].rjust(widths[i]) for i in range(len(line))]
        print("  ".join(left).rstrip())


def load_note(load: float) -> str | None:
    """Engines whose threads spin lose far more than others where cores are shared: such a ratio says nothing of either."""
    cores = len(os.sched_getaffinity(0))
    if load < QUIET_LOAD_PER_CORE * cores:
        return None
    return f"NOT A QUIET MACHINE: a load of {load:.1f} on {cores} cores before the first turn; do not quote these ratios"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--pelton", default=ROOT / "build/release/pelton", help="the program (default: %(default)s)")
    parser.add_argument(
        "--peer", action="append", choices=list(PEERS), help="may be given more than once (default: llama.cpp)"
    )
    parser.add_argument("--llama-bench", metavar="PATH", help="llama.cpp's own benchmark program, beside the peers")
    parser.add_argument("--repeat", type=int, default=5, help="turns of each engine (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    options.peer = options.peer or ([] if options.llama_bench else ["llama.cpp"])
    options.threads = options.threads or [len(os.sched_getaffinity(0))]
    return options


def main() -> int:
    if sys.argv[1:] == ["--install"]:
        return install()
    options = parse()
    engines = make_engines(options)
    load = os.getloadavg()[0]
    for turn in range(options.repeat):
        # Who comes first alternates: the second finds a warmer machine.
        for engine in engines if turn % 2 == 0 else reversed(engines):
            print(f"turn {turn + 1} of {options.repeat}: {engine.name}", file=sys.stderr)
            engine.run(quality_arguments(options) if turn == 0 else [])
    rows = rows_of(engines)
    command = shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
    if options.json:
        print(
            json.dumps(
                {
                    "command": command,
                    "repeat": options.repeat,
                    "load_before": load,
                    "warning": load_note(load),
                    "results": rows,
                }
            )
        )
    else:
        print(f"{command}\n")
        print_table(rows)
        if not all(row["is_steady"] for row in rows):
            print("\nunsteady: other work disturbed some turns; do not quote a ratio with such a row in it")
        if note := load_note(load):
            print(f"\n{note}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
