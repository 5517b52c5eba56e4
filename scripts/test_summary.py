#!/usr/bin/env python3
"""Adds up the cases of all test programs, lists what failed or was skipped, and decides whether the run passed.

usage: test_summary.py RESULTS_FOLDER

The folder holds ctest.xml (whole programs) and an XML file from each program of GoogleTest or pytest (its cases). The
one-line summary goes to summary.txt in it. With PELTON_REQUIRE_ALL_TESTS=1 a skip is a failure, unless its reason names
the CPU: no set-up can change that.
"""

import dataclasses
import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


@dataclasses.dataclass
class Case:
    name: str
    state: str  # passed, failed or skipped
    reason: str = ""


def case_of(element: ElementTree.Element, program: str) -> Case:
    name = ".".join(filter(None, [program, element.get("classname"), element.get("name")]))
    if element.find("failure") is not None or element.find("error") is not None or element.get("status") == "fail":
        return Case(name, "failed")
    skipped = element.find("skipped")
    if skipped is not None or element.get("status") in {"notrun", "disabled"}:
        reason = "" if skipped is None else " ".join(filter(None, [skipped.get("message"), skipped.text]))
        return Case(name, "skipped", " ".join(reason.split()))
    return Case(name, "passed")


def cases_in(file: pathlib.Path, program: str = "") -> list[Case]:
    return [case_of(element, program) for element in ElementTree.parse(file).iter("testcase")]


def all_cases(folder: pathlib.Path) -> list[Case]:
    cases = []
    by_program = {file.stem.removeprefix("test_"): file for file in folder.glob("*.xml") if file.name != "ctest.xml"}
    for whole in ElementTree.parse(folder / "ctest.xml").iter("testcase"):
        program = whole.get("name")
        inner = cases_in(by_program[program], program) if program in by_program else []
        outer = case_of(whole, "")
        cases += inner
        # A program that died, or failed outside of its cases, counts itself; so does one that has no cases.
        if not inner or (outer.state == "failed" and all(case.state != "failed" for case in inner)):
            outer.name = program
            if outer.state == "skipped":
                output = (whole.findtext("system-out") or "").strip()
                outer.reason = output.rpartition("\n")[2]
            cases.append(outer)
    return cases


def must_run(case: Case) -> bool:
    return os.environ.get("PELTON_REQUIRE_ALL_TESTS") == "1" and "CPU" not in case.reason


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    cases = all_cases(folder)
    skipped = [case for case in cases if case.state == "skipped"]
    failed = [case for case in cases if case.state == "failed"] + [case for case in skipped if must_run(case)]
    for case in skipped:
        print(f"skipped: {case.name}: {case.reason}")
    for case in failed:
        print(f"FAILED: {case.name}" + (" (skipped, though every test is required)" if case.state == "skipped" else ""))
    passed_count = sum(case.state == "passed" for case in cases)
    summary = f"{passed_count} passed, {len(failed)} failed"
    if allowed := len(skipped) - sum(case in failed for case in skipped):
        summary += f", {allowed} skipped"
    (folder / "summary.txt").write_text(summary + "\n")
    return 1 if failed or not passed_count else 0


if __name__ == "__main__":
    sys.exit(main())
