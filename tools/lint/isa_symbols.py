#!/usr/bin/env python3
"""Checks that each object made from *_avx2.cc, *_avx512.cc or *_neon.cc exports exactly one strong symbol and no weak one.

The linker keeps one copy of a weak symbol (an inline function, a template's instance) for the whole program. Were that the
AVX-512 copy, the program would die on every machine without AVX-512, far from any kernel. An object without any symbol,
which is what a source for another processor gives, is passed over.

usage: isa_symbols.py BUILD_FOLDER      exit code 77 where the build has no such object
"""

import json
import pathlib
import re
import subprocess
import sys

from sources import report

ISA_SOURCE = re.compile(r"_(avx2|avx512|neon)\.cc$")
SKIPPED = 77


def isa_objects(build: pathlib.Path) -> list[pathlib.Path]:
    """From the compile commands, so that objects of sources that are gone do not count."""
    commands = json.loads((build / "compile_commands.json").read_text())
    outputs = [re.search(r" -o (\S+)", entry["command"])[1] for entry in commands if ISA_SOURCE.search(entry["file"])]
    return [build / output for output in outputs if (build / output).exists()]


def symbols_of(object_file: pathlib.Path) -> str:
    return subprocess.run(["nm", "-C", str(object_file)], capture_output=True, text=True, check=True).stdout


def problems_of(object_file: pathlib.Path) -> list[str]:
    strong, weak = [], []
    for line in symbols_of(object_file).splitlines():
        kind, name = line[17:18], line[19:]
        if kind in "WwVvu":
            weak.append(name)
        elif kind.isupper() and kind not in "UN":
            strong.append(name)
    found = [f"{object_file.name}: weak symbol {name} (make it static, or do without the template)" for name in weak]
    if len(strong) != 1:
        found.append(f"{object_file.name}: {len(strong)} strong symbols, expected 1: {', '.join(strong) or 'none'}")
    return found


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    objects = [object_file for object_file in isa_objects(pathlib.Path(sys.argv[1])) if symbols_of(object_file)]
    if not objects:
        print("skipped: no *_avx2.cc, *_avx512.cc or *_neon.cc object in this build")
        return SKIPPED
    problems = [problem for object_file in objects for problem in problems_of(object_file)]
    return report(problems, f"{len(objects)} ISA objects export one strong symbol each")


if __name__ == "__main__":
    sys.exit(main())
