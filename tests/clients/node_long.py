"""OpenAI's and Anthropic's clients for Node: they get what Python's get."""

import json
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT, SERVED_NAME, TIMEOUT_S

SOURCES = pathlib.Path(__file__).parent / "node"
FOLDER = ROOT / "build/peers/node"
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def results(server) -> dict:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node and npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "clients.js"):
        shutil.copy(SOURCES / name, FOLDER / name)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True)
    run = subprocess.run(["node", "clients.js", server.url, SERVED_NAME], cwd=FOLDER, capture_output=True, text=True,
                         timeout=5 * TIMEOUT_S)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_chats(results, client):
    answer = client.chat.completions.create(model=SERVED_NAME, messages=MESSAGES, max_tokens=24, temperature=0)
    text = answer.choices[0].message.content
    assert text and {results[name] for name in ("chat", "chatStream", "chatHelper")} == {text}
    assert results["usage"]["total_tokens"] == answer.usage.total_tokens
    assert {results["response"], results["responseStream"], results["message"], results["messageStream"]} == {text}
    assert results["messageTokens"] == answer.usage.prompt_tokens
    assert results["models"] == [SERVED_NAME]


def test_the_rest(results, client):
    completion = client.completions.create(model=SERVED_NAME, prompt="Once", max_tokens=8, temperature=0)
    assert results["completion"] == completion.choices[0].text
    assert results["call"] == results["callStream"] and results["call"]["name"] == "weather"
    assert isinstance(json.loads(results["call"]["arguments"])["city"], str)
    assert isinstance(json.loads(results["schema"])["n"], int)
    width = len(client.embeddings.create(model=SERVED_NAME, input="a").data[0].embedding)
    assert results["embeddings"] == [width, width]
    assert results["abortedAfter"] == 3


def test_errors_are_the_clients_own(results):
    assert results["notFound"]["kind"] == results["messageNotFound"]["kind"] == "NotFoundError"
    assert results["badRequest"]["kind"] == "BadRequestError" and "temperature" in results["badRequest"]["message"]
