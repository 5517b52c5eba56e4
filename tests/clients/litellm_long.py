"""LiteLLM's proxy in front of the server, as teams run it: OpenAI's client asks the proxy."""

import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openai
import pytest
from conftest import ROOT, SERVED_NAME, TIMEOUT_S

VERSION = "1.108.7"
KEY = "sk-" + secrets.token_hex(32)
FOLDER = ROOT / "build/peers/litellm"
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
CHAT = {"messages": MESSAGES, "max_tokens": 24, "temperature": 0}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def installed() -> pathlib.Path:
    mark = FOLDER / f"installed-{VERSION}"
    if not mark.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        pip = [FOLDER / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, f"litellm[proxy]=={VERSION}"], check=True)
        mark.touch()
    return FOLDER / "bin/litellm"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def proxied(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(
        f"model_list:\n"
        f"  - model_name: team-model\n"
        f"    litellm_params: {{model: hosted_vllm/{SERVED_NAME}, api_base: {server.url}/v1, api_key: none}}\n"
        f"litellm_settings: {{num_retries: 0}}\n"
    )
    port = free_port()
    command = [installed(), "--config", folder / "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_MASTER_KEY": KEY}
    with open(folder / "log", "w") as log:
        proxy = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    try:
        end = time.monotonic() + TIMEOUT_S
        while True:
            assert proxy.poll() is None and time.monotonic() < end, (folder / "log").read_text()[-4000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0, timeout=TIMEOUT_S) as client:
            yield client
    finally:
        proxy.send_signal(signal.SIGTERM)
        try:
            proxy.wait(20)
        except subprocess.TimeoutExpired:
            proxy.kill()
            proxy.wait()


def test_answers_as_without_it(proxied, client):
    direct = client.chat.completions.create(model=SERVED_NAME, **CHAT)
    through = proxied.chat.completions.create(model="team-model", **CHAT)
    assert through.choices[0].message.content == direct.choices[0].message.content
    assert through.usage.total_tokens == direct.usage.total_tokens
    chunks = proxied.chat.completions.create(model="team-model", stream=True, **CHAT)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == direct.choices[0].message.content


def test_tools(proxied, client):
    fields = CHAT | {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 100}
    (direct, *_) = client.chat.completions.create(model=SERVED_NAME, **fields).choices[0].message.tool_calls
    (through, *_) = proxied.chat.completions.create(model="team-model", **fields).choices[0].message.tool_calls
    assert through.function == direct.function


def test_embeddings(proxied, client):
    direct = client.embeddings.create(model=SERVED_NAME, input=["a", "b"], encoding_format="float")
    through = proxied.embeddings.create(model="team-model", input=["a", "b"], encoding_format="float")
    assert [len(entry.embedding) for entry in through.data] == [len(entry.embedding) for entry in direct.data]
    assert through.data[0].embedding == pytest.approx(direct.data[0].embedding, abs=1e-5)


def test_errors_keep_their_status(proxied):
    with pytest.raises(openai.BadRequestError, match="4000|context"):
        proxied.chat.completions.create(
            model="team-model", messages=[{"role": "user", "content": "word " * 4000}], max_tokens=4
        )
    assert proxied.chat.completions.create(model="team-model", **CHAT).choices, "and the next one is answered"
