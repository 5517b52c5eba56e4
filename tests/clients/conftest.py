"""One server for all tests of this folder, clients for it, and bytes on the wire for what no client would send."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import openai
import pytest

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
MODEL_NAME = "smollm2-135m-instruct-q4_1.gguf"
SERVED_NAME = "demo"
CONTEXT_LENGTH = 1024
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


class Server:
    """A running `pelton serve`. Its log is read all the time, so that it never waits for us."""

    def __init__(self, *options: str, model: pathlib.Path | None = None):
        program, model = find_program(), model or find_demo_model()
        if program is None:
            pytest.skip("no program: set PELTON_PROGRAM, or `make build`")
        if model is None:
            pytest.skip("no demo model: scripts/fetch-demo-model fetches it")
        command = [program, "serve", "-m", model, "--port", "0", "--json", "--name", SERVED_NAME, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log: list[str] = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        line = self.process.stdout.readline()
        assert line, "the server did not start:\n" + "".join(self.log)
        self.url = json.loads(line)["url"]
        self.address = urllib.parse.urlsplit(self.url).hostname, urllib.parse.urlsplit(self.url).port

    def health(self) -> dict:
        with urllib.request.urlopen(self.url + "/health", timeout=TIMEOUT_S) as response:
            return json.load(response)

    def wait_until_idle(self) -> dict:
        """Waits until no request runs and no page is used."""
        return self.wait_for(lambda health: not any(health[name] for name in ("requests_running", "requests_waiting", "pages_used")))

    def wait_for(self, condition, timeout_s=30.0) -> dict:
        end = time.monotonic() + timeout_s
        while not condition(health := self.health()):
            assert time.monotonic() < end, f"still {health}"
            time.sleep(0.02)
        return health

    def wait_for_log(self, condition, timeout_s=TIMEOUT_S) -> None:
        """Waits for a line of the log, which comes through a pipe, by another thread."""
        end = time.monotonic() + timeout_s
        while not any(condition(line) for line in self.log):
            assert time.monotonic() < end, "the log does not say it"
            time.sleep(0.01)

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0, timeout=TIMEOUT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, data: bytes, timeout_s=TIMEOUT_S, half_close=False) -> bytes:
        """Sends bytes on a connection of their own; gives all that comes back until the server closes it."""
        with socket.create_connection(self.address, timeout=timeout_s) as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before its end: the reason can still be read
            received = b""
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received

    def post(self, path: str, body: bytes | dict, **headers) -> tuple[int, dict, dict]:
        """Status, headers and JSON of the answer to any body, with Connection: close."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "Host: test", "Connection: close", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(raw)}"] + [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return parse_answer(self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + raw))


def parse_answer(answer: bytes) -> tuple[int, dict, dict]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(status.split()[1]), headers, json.loads(body)


@pytest.fixture(scope="session")
def slow_sender(server):
    """A connection that began a request when the tests began and never ends it."""
    connection = socket.create_connection(server.address, timeout=TIMEOUT_S)
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: te")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def server():
    """As users run it."""
    running = Server("--context", str(CONTEXT_LENGTH))
    yield running
    running.kill()


@pytest.fixture(scope="session")
def exact_server():
    """Slow, and close enough to the reference for comparing numbers and the texts of other batches."""
    running = Server("--activations", "f32", "--context", str(CONTEXT_LENGTH))
    yield running
    running.kill()


@pytest.fixture(scope="session")
def encoder_server():
    """A tiny BERT (tests/golden/encoder)."""
    running = Server("--activations", "f32", model=ROOT / "tests/golden/encoder/bert")
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def server_lives_on(server, slow_sender):
    """After each test: the process is there, and nothing is left behind. (The slow sender is to begin early.)"""
    yield
    assert server.process.poll() is None, "the server died:\n" + "".join(server.log)
    server.wait_until_idle()


@pytest.fixture(scope="session")
def client(server):
    with server.client() as made:
        yield made


@pytest.fixture(scope="session")
def exact_client(exact_server):
    with exact_server.client() as made:
        yield made


@pytest.fixture(scope="session")
def oracle() -> list:
    """What transformers says about six prompts on the demo model; tests/golden/README.md."""
    return json.loads((ROOT / "tests/golden/smollm2/smollm2_shared.json").read_text())
