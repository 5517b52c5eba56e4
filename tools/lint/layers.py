#!/usr/bin/env python3
"""Checks that src/ keeps to the table of layers.txt: includes, the links of src/CMakeLists.txt, and no cycles.

usage: layers.py [ROOT]
"""

import pathlib
import re
import sys

from sources import project_files, report

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
MODULE_LINE = re.compile(r"pelton_module\((\w+)([^)]*)\)")


class Table:
    """layers.txt: `modules` maps a module to what it may include, `outside` the start of an include to its users."""

    def __init__(self, text: str):
        self.modules: dict[str, set[str]] = {}
        self.outside: dict[str, set[str]] = {}
        lines = [line.split("#")[0].split(":") for line in text.splitlines() if line.split("#")[0].strip()]
        for name, allowed in ((left.strip(), set(right.split())) for left, right in lines):
            if name.startswith("<"):
                self.outside[name[1:]] = allowed
            else:
                self.modules[name] = allowed
        for name, allowed in self.modules.items():
            if "*" in allowed:
                self.modules[name] = set(self.modules) - {name}

    def problems(self) -> list[str]:
        """Modules that the table names and does not define, and cycles."""
        found = [
            f"layers.txt: {name} may include {other}, which the table does not define"
            for name, allowed in {**self.modules, **self.outside}.items()
            for other in sorted(allowed - set(self.modules))
        ]
        remaining = dict(self.modules)
        while leaves := [name for name, allowed in remaining.items() if not allowed & set(remaining)]:
            for name in leaves:
                del remaining[name]
        if remaining:
            found.append(f"layers.txt: a cycle among {', '.join(sorted(remaining))}")
        return found

    def include_problem(self, module: str, quote: str, include: str) -> str | None:
        for start, users in self.outside.items():
            if include.startswith(start):
                return None if module in users else f'"{include}" is only for {", ".join(sorted(users))}'
        if quote == "<":
            return None
        other, slash, _ = include.partition("/")
        if not slash or other not in self.modules:
            return f'"{include}": write the path from src/, beginning with a module of layers.txt'
        if other != module and other not in self.modules[module]:
            return f"{module} may not include {other} (an interface is missing below, or the file is in the wrong place)"
        return None


def check(root: pathlib.Path) -> tuple[list[str], int]:
    table = Table((root / "tools/lint/layers.txt").read_text())
    problems = table.problems()
    include_count = 0
    source_root = root / "src"
    for path in project_files(root):
        if source_root not in path.parents or path.suffix not in {".h", ".cc"}:
            continue
        name = path.relative_to(root)
        module = name.parts[1]
        if module not in table.modules:
            problems.append(f"{name}: the folder src/{module} is no module of layers.txt")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                include_count += 1
                if problem := table.include_problem(module, match[1], match[2]):
                    problems.append(f"{name}:{number}: {problem}")

    for module, options in MODULE_LINE.findall((source_root / "CMakeLists.txt").read_text()):
        depends = re.search(r"DEPENDS ([^A-Z]*)", options)
        linked = set(depends[1].split()) if depends else set()
        for other in sorted(linked - table.modules.get(module, set())):
            problems.append(f"src/CMakeLists.txt: {module} links {other}, which layers.txt does not allow")
    return problems, include_count


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    problems, include_count = check(root)
    return report(problems, f"{include_count} includes follow layers.txt")


if __name__ == "__main__":
    sys.exit(main())
