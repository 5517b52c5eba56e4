"""`pelton serve` from outside: it says where it listens, answers, and ends when told to. The API is tests/clients'."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from conftest import TIMEOUT_S


@pytest.fixture
def server(pelton, model):
    command = [pelton.program, "serve", "-m", model, "--port", "0", "--json", "--name", "demo", "--context", "512"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=pelton.environment)
    event = json.loads(process.stdout.readline())
    assert event["event"] == "listening"
    process.url = event["url"]
    yield process
    process.kill()
    process.communicate()


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        return json.load(response)


def processor_seconds(pid: int) -> float:
    """Of all threads, in user and kernel mode (proc(5): fields 14 and 15, counted from the last parenthesis)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_uses_no_processor_while_nobody_asks(server):
    def used_in(seconds: float) -> float:
        before = processor_seconds(server.pid)
        time.sleep(seconds)
        return processor_seconds(server.pid) - before

    assert used_in(2) < 0.02, "before the first request"
    post(server.url + "/v1/completions", {"prompt": "Once upon a time", "max_tokens": 16})
    time.sleep(0.1)  # threads spin for less than that before they sleep
    assert used_in(2) < 0.02, "after one: under 1 % of a core"


def test_answers_and_ends_cleanly(server):
    assert server.url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(server.url + "/health", timeout=TIMEOUT_S) as response:
        assert response.status == 200
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "temperature": 0}
    answer = post(server.url + "/v1/chat/completions", body)
    assert answer["model"] == "demo" and answer["choices"][0]["message"]["content"]
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=TIMEOUT_S)
    assert server.returncode == 0
    assert f"listening on {server.url}\n" in log


def test_ctrl_c_ends_it_too(server):
    with urllib.request.urlopen(server.url + "/health", timeout=TIMEOUT_S):
        server.send_signal(signal.SIGINT)
    server.communicate(timeout=TIMEOUT_S)
    assert server.returncode == 0


def test_a_port_in_use_is_an_error(pelton, model, server):
    port = server.url.rsplit(":", 1)[1]
    done = pelton("serve", "-m", model, "--port", port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pelton: error: ") and port in done.stderr


def test_options_in_a_file_and_flags_that_win(pelton, model, tmp_path):
    config = tmp_path / "serve.yaml"
    config.write_text(f"model: {model}\nport: 1  # not to be had\nname: [from-file, other]\ncontext: 256\njson: true\n")
    process = subprocess.Popen(
        [pelton.program, "serve", "--config", config, "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=pelton.environment,
    )  # fmt: skip
    try:
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(url + "/v1/models", timeout=TIMEOUT_S) as response:
            models = json.load(response)["data"]
        assert [entry["id"] for entry in models] == ["from-file", "other"] and models[0]["max_model_len"] == 256
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "text, problem",
    [
        ("port: 0\nprot: 1\n", "line 2: prot: pelton serve has no such option"),
        ("json: maybe\n", "line 1: json: expected true or false"),
        ("port: many\n", "--port"),
        ("port: [1\n", "not valid YAML"),
    ],
)
def test_a_file_of_options_that_is_wrong(pelton, tmp_path, text, problem):
    config = tmp_path / "serve.yaml"
    config.write_text(text)
    result = subprocess.run(
        [pelton.program, "serve", "--config", config], capture_output=True, text=True, env=pelton.environment
    )
    assert result.returncode == 2 and problem in result.stderr
