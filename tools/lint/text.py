#!/usr/bin/env python3
"""Checks the text of source files: their length, and words that must not stay.

usage: text.py [ROOT]
"""

import pathlib
import re
import sys

from sources import project_files, report

CODE_SUFFIXES = {".cc", ".h", ".rs", ".py", ".ts", ".cmake", ".sh"}
OTHER_SUFFIXES = {".md", ".txt", ".json", ".yaml", ".toml", ""}

# A longer file says why, near its top: "Past 800 lines because …".
LINES_MAX = 800
EXCUSE = re.compile(rf"Past {LINES_MAX} lines because")
EXCUSE_WITHIN_LINES = 20

# What, in which files, and what to do instead. The brackets keep this file from matching itself.
FORBIDDEN = [
    (re.compile(r"\bTOD[O](?!\(#\d+\))"), CODE_SUFFIXES, "write TOD" "O(#issue): who finds it must know where it is tracked"),
    (re.compile(r"\b(FIXM[E]|XX[X]|HAC[K])\b"), CODE_SUFFIXES, "file an issue and name it, or finish the thought"),
    (re.compile(r"<<<<<<[<]|>>>>>>[>]"), CODE_SUFFIXES | OTHER_SUFFIXES, "a merge that was not finished"),
    (re.compile(r"(?<![\w.])/(root|home/\w+)/"), CODE_SUFFIXES | OTHER_SUFFIXES, "a path of one machine"),
]


def problems_of(path: pathlib.Path, name: str) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    found = []
    if path.suffix in CODE_SUFFIXES and len(lines) > LINES_MAX:
        if not EXCUSE.search("\n".join(lines[:EXCUSE_WITHIN_LINES])):
            found.append(f"{name}: {len(lines)} lines; split it, or say at its top \"Past {LINES_MAX} lines because …\"")
    for pattern, suffixes, advice in FORBIDDEN:
        if path.suffix in suffixes:
            for number, line in enumerate(lines, 1):
                if match := pattern.search(line):
                    found.append(f"{name}:{number}: {match[0]}: {advice}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    golden = root / "tests/golden"
    paths = [
        path
        for path in project_files(root)
        if path.suffix in CODE_SUFFIXES | OTHER_SUFFIXES and golden not in path.parents
    ]
    problems = [problem for path in paths for problem in problems_of(path, str(path.relative_to(root)))]
    return report(problems, f"the text of {len(paths)} files")


if __name__ == "__main__":
    sys.exit(main())
