"""Several models behind one address: loaded when a request names them, unloaded for room or when nobody asks."""

import json
import re
import shutil
import subprocess
import time
import urllib.request

import openai
import pytest
from conftest import GOLDEN, SERVED_NAME, TIMEOUT_S, Server, find_demo_model, find_program

ENCODER = GOLDEN / "encoder/bert"
# The demo model's weights and 32 MB of keys and values for each of two more of it: one at a time.
ROOM_FOR_ONE = ["--context", "1024", "--kv-memory", "32M", "--also-memory", "180M"]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def get(server: Server, path: str) -> str:
    with urllib.request.urlopen(server.url + path, timeout=TIMEOUT_S) as response:
        return response.read().decode()


def states(server: Server) -> dict[str, str]:
    return {model["id"]: model["status"]["value"] for model in json.loads(get(server, "/v1/models"))["data"]}


def wait_until(condition, timeout_s=TIMEOUT_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def models():
    demo = find_demo_model() or pytest.skip("no demo model: scripts/fetch-demo-model fetches it")
    served = Server(*ROOM_FOR_ONE, "--also", f"encoder={ENCODER}", "--also", f"second={demo}", "--also", f"third={demo}")
    yield served
    served.kill()


def say(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=12)
    assert answer.model == model
    return answer.choices[0].message.content


def test_each_answers_by_its_name(models):
    assert states(models) == {SERVED_NAME: "loaded", "encoder": "unloaded", "second": "unloaded", "third": "unloaded"}
    with models.client() as client:
        listed = client.models.retrieve("encoder")
        assert states(models)["encoder"] == "unloaded", "who looks at the list loads nothing"
        embedding = client.embeddings.create(model="encoder", input="the cat").data[0].embedding
        assert listed.max_model_len == 64 and len(embedding) == 48
        assert say(client, "second") == say(client, SERVED_NAME)
        with pytest.raises(openai.NotFoundError, match="there is demo, encoder, second, third"):
            say(client, "fourth")
        with pytest.raises(openai.BadRequestError, match="encoder answers /v1/embeddings"):
            say(client, "encoder")
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="encoder", input="cat " * 100)
    page = get(models, "/metrics")
    for name in ("second", SERVED_NAME):
        assert re.search(rf'^vllm:generation_tokens_total{{engine="0",model_name="{name}"}} [1-9]', page, re.M)
    assert page.count("# TYPE vllm:generation_tokens_total") == 1


def test_top_shows_each(models):
    with models.client() as client:
        say(client, "second")
    command = [find_program(), "top", "--url", models.url, "--interval", "0.1", "--count", "1"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    shown = json.loads(done.stdout)["models"]
    assert set(shown) == {SERVED_NAME, "encoder", "second", "third"}
    assert all(model["running"] == 0 and 0 <= model["kv_use"] <= 1 for model in shown.values())
    text = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    assert "second" in text and "KV cache" in text


def test_who_finds_no_room_waits_for_the_busy_one(models):
    with models.client() as client:
        stream = client.completions.create(model="second", prompt="One, two,", max_tokens=200, stream=True, extra_body={"ignore_eos": True})
        next(iter(stream))
        assert states(models)["second"] == "loaded"
        text = say(client, "third")  # comes when the stream has ended
        tokens = sum(1 for _ in stream)
        assert tokens > 1 and text == say(client, SERVED_NAME)
        assert states(models)["third"] == "loaded" and states(models)["second"] == "unloaded"
        assert say(client, "second") == text, "and back"
    assert any("the model third was unloaded: second needs its memory" in line for line in models.log)


def test_nobody_asks_any_more():
    find_demo_model() or pytest.skip("no demo model: scripts/fetch-demo-model fetches it")
    also = ["--also", f"encoder={ENCODER}", "--also", str(find_demo_model())]
    served = Server(*also, "--context", "1000", "--also-idle", "0.5")
    try:
        with served.client() as client:
            client.embeddings.create(model="encoder", input="the cat")
            wait_until(lambda: states(served)["encoder"] == "unloaded")
            client.embeddings.create(model="encoder", input="the cat")
        assert states(served)[SERVED_NAME] == "loaded"
        assert set(states(served)) == {SERVED_NAME, "encoder", find_demo_model().stem}, "a file's name without its end"
    finally:
        served.kill()


@pytest.mark.parametrize(
    "options, words",
    [
        (["--also", "none=/nowhere/model.gguf"], "/nowhere/model.gguf"),
        (["--also", f"{SERVED_NAME}={ENCODER}"], f"two models are called {SERVED_NAME}"),
        (["--also", str(ENCODER), "--also", str(ENCODER)], "two models are called bert"),
        (["--also", str(ENCODER), "--also-memory", "1K"], "may have 1.0 KiB together"),
        (["--also-memory", "1G"], "--also"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(options, words):
    program, demo = find_program(), find_demo_model()
    if program is None or demo is None:
        pytest.skip("no program, or no demo model")
    command = [program, "serve", "-m", demo, "--port", "0", "--name", SERVED_NAME, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode != 0 and words in done.stderr


def test_a_file_that_goes_bad_fails_its_requests_alone(tmp_path):
    copy = tmp_path / "encoder"
    shutil.copytree(ENCODER, copy)
    served = Server("--also", f"{copy}/")
    try:
        (copy / "config.json").unlink()
        with served.client() as client:
            with pytest.raises(openai.APIStatusError) as failed:
                client.embeddings.create(model="encoder", input="the cat")
            assert failed.value.status_code >= 400
            assert say(client, SERVED_NAME)
            (copy / "config.json").write_bytes((ENCODER / "config.json").read_bytes())
            assert client.embeddings.create(model="encoder", input="the cat").data
    finally:
        served.kill()
