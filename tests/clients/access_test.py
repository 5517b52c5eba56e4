"""Keys: made by `pelton key`, demanded by `pelton serve --api-keys`, sent by the real client."""

import json
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

import openai
import pytest
from conftest import SERVED_NAME, TIMEOUT_S, Server, find_program

PAGE = "https://page.example"


def make_key(file: pathlib.Path, name: str, *options: str) -> str:
    command = [find_program(), "key", file, "--name", name, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Guarded:
    def __init__(self, folder: pathlib.Path):
        self.file = folder / "keys.json"
        self.key = make_key(self.file, "team-a")
        self.elsewhere = make_key(self.file, "elsewhere", "--model", "other")
        self.poor = make_key(self.file, "poor", "--tokens-per-minute", "5")
        self.server = Server("--api-keys", str(self.file), "--open-path", "/health", "--allow-origin", PAGE)

    def client(self, key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.server.url + "/v1", api_key=key, max_retries=0, timeout=TIMEOUT_S)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    guarded = Guarded(tmp_path_factory.mktemp("keys"))
    yield guarded
    guarded.server.kill()


def complete(client: openai.OpenAI) -> str:
    return client.completions.create(model=SERVED_NAME, prompt="Once", max_tokens=4).choices[0].text


def test_only_known_keys_come_in(guarded):
    assert complete(guarded.client(guarded.key))
    with pytest.raises(openai.AuthenticationError, match="not known"):
        complete(guarded.client("pelton-wrong"))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(guarded.server.url + "/metrics")
    with urllib.request.urlopen(guarded.server.url + "/health") as response:
        assert json.load(response)["status"] == "ok"


def test_anthropics_header_will_do(guarded):
    request = urllib.request.Request(guarded.server.url + "/v1/models", headers={"x-api-key": guarded.key})
    with urllib.request.urlopen(request) as response:
        assert [model["id"] for model in json.load(response)["data"]] == [SERVED_NAME]


def test_a_key_sees_its_models_alone(guarded):
    client = guarded.client(guarded.elsewhere)
    assert list(client.models.list()) == []
    with pytest.raises(openai.NotFoundError, match="for this key"):
        complete(client)


def test_a_key_that_used_its_tokens_waits(guarded):
    client = guarded.client(guarded.poor)
    complete(client)
    with pytest.raises(openai.RateLimitError, match="5 tokens a minute") as refused:
        complete(client)
    assert int(refused.value.response.headers["retry-after"]) >= 1


def test_a_new_key_is_read_at_sighup(guarded):
    fresh = make_key(guarded.file, "fresh")
    with pytest.raises(openai.AuthenticationError):
        complete(guarded.client(fresh))
    guarded.server.process.send_signal(signal.SIGHUP)
    guarded.server.wait_for_log(lambda line: "read again" in line)
    assert complete(guarded.client(fresh))


def test_pages_of_an_allowed_origin_may_read_the_answer(guarded):
    def allowed_origin(method: str, origin: str, path: str) -> str | None:
        headers = {"Origin": origin, "Authorization": "Bearer " + guarded.key}
        with urllib.request.urlopen(urllib.request.Request(guarded.server.url + path, headers=headers, method=method)) as response:
            return response.headers["Access-Control-Allow-Origin"]

    assert allowed_origin("GET", PAGE, "/v1/models") == PAGE
    assert allowed_origin("OPTIONS", PAGE, "/v1/completions") == PAGE
    assert allowed_origin("GET", "https://other.example", "/v1/models") is None
    assert allowed_origin("OPTIONS", "https://other.example", "/v1/completions") is None


def test_the_file_of_keys_holds_no_key(guarded):
    text = guarded.file.read_text()
    assert guarded.key not in text and "team-a" in text
    done = subprocess.run([find_program(), "key", guarded.file, "--name", "team-a"], capture_output=True, text=True)
    assert done.returncode == 1 and "already" in done.stderr
    assert guarded.file.read_text() == text
