"""The files that the linters look at: what git knows or would add, or everything where there is no git."""

import pathlib
import subprocess

SKIPPED_FOLDERS = {".git", "build", "target", "node_modules", "__pycache__"}


def project_files(root: pathlib.Path) -> list[pathlib.Path]:
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
    )
    if listing.returncode == 0:
        paths = [root / name for name in listing.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in root.rglob("*") if not SKIPPED_FOLDERS & set(path.relative_to(root).parts)]
    return sorted(path for path in paths if path.is_file())


def report(problems: list[str], looked_at: str) -> int:
    """Prints the problems, or what was found to be well; returns the exit code."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else f"ok: {looked_at}")
    return 1 if problems else 0
