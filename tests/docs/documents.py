#!/usr/bin/env python3
"""Runs the commands of the documents, so that what a reader copies works.

usage: documents.py PROGRAM [DOCUMENT...]      default: every *.md at the root and in docs/

A fenced `sh` block is run where its first line is `# test`, or where the line before it is `<!-- test -->`. It passes when
bash (-euo pipefail) exits with 0 and prints something. Where an `output` block follows it, standard output must match that:
`...` stands for any text, also over several lines.

The blocks of one document run in order in one folder that mirrors the repository's root: they may read examples/ and leave
files for later blocks. `pelton` and `build/release/pelton` are PROGRAM. What they start in the background is ended.
Exit code 77 where the demo model is missing.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

SKIPPED = 77
BLOCK_SECONDS_MAX = 600  # a training step under a sanitizer on a busy machine takes a minute
ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\s*$")


@dataclasses.dataclass
class Block:
    line: int  # of the first command, from 1
    commands: str
    output: str | None = None


def fenced_blocks(lines: list[str]) -> list[tuple[str, int, int]]:
    """(language, first line, end) of each fenced block, as indices into `lines`, without the fences."""
    found = []
    start, language = None, ""
    for index, line in enumerate(lines):
        if match := FENCE.match(line):
            if start is None:
                start, language = index + 1, match[1]
            elif not match[1]:
                found.append((language, start, index))
                start = None
    return found


def tested_blocks(text: str) -> list[Block]:
    lines = text.splitlines()
    blocks = []
    previous_end = None  # of a tested block that an output block may follow
    for language, start, end in fenced_blocks(lines):
        body = "\n".join(lines[start:end])
        if language == "output" and previous_end is not None and not "".join(lines[previous_end + 1 : start - 1]).strip():
            blocks[-1].output = body
        is_marked = lines[start - 2 : start - 1] == ["<!-- test -->"] or body.startswith("# test\n")
        is_tested = language == "sh" and is_marked
        if is_tested:
            blocks.append(Block(start + 1, body))
        previous_end = end if is_tested else None
    return blocks


def matches(expected: str, got: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


def run_block(block: Block, folder: pathlib.Path, environment: dict[str, str]) -> str | None:
    """What is wrong with the block, or None."""
    with (folder / ".stdout").open("wb") as stdout, (folder / ".stderr").open("wb") as stderr:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.commands],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        code = process.wait(BLOCK_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        code = None
    try:
        os.killpg(process.pid, signal.SIGKILL)  # and what the block left in the background
    except ProcessLookupError:
        pass
    process.wait()
    output = (folder / ".stdout").read_text(errors="replace")
    errors = (folder / ".stderr").read_text(errors="replace")
    everything = f"--- commands\n{block.commands}\n--- output\n{output}--- errors\n{errors}"
    if code is None:
        return f"still running after {BLOCK_SECONDS_MAX} s\n{everything}"
    if code != 0:
        return f"exit code {code}\n{everything}"
    if not output.strip():
        return f"no output\n{everything}"
    if block.output is not None and not matches(block.output, output):
        return f"other output than the document shows\n{everything}--- expected\n{block.output}"
    return None


def mirror_root(folder: pathlib.Path, program: pathlib.Path):
    for entry in ROOT.iterdir():
        if entry.name not in {"build", ".git"}:
            (folder / entry.name).symlink_to(entry)
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/pelton").symlink_to(program)


def run_document(document: pathlib.Path, program: pathlib.Path, model: pathlib.Path) -> list[str]:
    """The problems of one document; prints a line a block."""
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        mirror_root(folder, program)
        environment = {
            "HOME": name,
            "LANG": "C.UTF-8",
            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")},
            "PATH": f"{folder}/build/release:{os.environ['PATH']}",
            "PELTON_CACHE": str(model.parents[1]),
            "PELTON_DEMO_MODEL": str(model),
        }
        for block in tested_blocks(document.read_text()):
            problem = run_block(block, folder, environment)
            where = f"{document.name}:{block.line}"
            print(f"{where}: {'FAILED' if problem else 'ok'}", flush=True)
            if problem:
                problems.append(f"{where}: {problem}")
    return problems


def demo_model() -> pathlib.Path:
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("PELTON_CACHE") or f"{cache_home}/pelton"
    return pathlib.Path(cache).absolute() / "models/smollm2-135m-instruct-q4_1.gguf"


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    program = pathlib.Path(sys.argv[1]).absolute()
    documents = [pathlib.Path(name) for name in sys.argv[2:]] or sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    model = demo_model()
    if not model.exists():
        print(f"skipped: no demo model at {model}; scripts/fetch-demo-model fetches it")
        return SKIPPED
    problems = [problem for document in documents for problem in run_document(document, program, model)]
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
