#!/usr/bin/env python3
"""Runs pytest in build/venv (scripts/test-venv makes it) on a program.

usage: run_pytest.py PROGRAM TESTS...      exit code 77 where there is no venv or no test

The tests find the program at $PELTON_PROGRAM, and the demo model at $PELTON_DEMO_MODEL or in the cache folder. Each
case is written as XML into $PELTON_TEST_RESULTS where that is set.
"""

import os
import pathlib
import subprocess
import sys

SKIPPED = 77
PYTEST_NO_TESTS = 5


def main() -> int:
    program, *tests = sys.argv[1:]
    python = pathlib.Path(__file__).parents[1] / "build/venv/bin/python"
    if not python.exists():
        print("skipped: no build/venv; scripts/test-venv makes it")
        return SKIPPED
    environment = {**os.environ, "PELTON_PROGRAM": program, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--timeout=300", *tests]
    if results := os.environ.get("PELTON_TEST_RESULTS"):
        name = ".".join(pathlib.Path(tests[0]).with_suffix("").parts)  # as ctest calls it
        command.append(f"--junitxml={results}/{name}.xml")
    code = subprocess.run(command, env=environment).returncode
    if code == PYTEST_NO_TESTS:
        print("skipped: no test found")
        return SKIPPED
    return code


if __name__ == "__main__":
    sys.exit(main())
