"""The routes beside OpenAI's: what balancers, dashboards and tools of other servers ask."""

import json
import re
import urllib.request

import pytest




def ask_json(server, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(server.url + path, data)) as response:
        return json.load(response)


def test_tokenize_and_back(server):
    answer = ask_json(server, "/tokenize", {"prompt": "Hello world", "return_token_strs": True})
    assert answer["count"] == len(answer["tokens"]) == len(answer["token_strs"]) > 0
    assert "".join(answer["token_strs"]) == "Hello world"
    assert ask_json(server, "/detokenize", {"tokens": answer["tokens"]}) == {"prompt": "Hello world"}


def test_a_chat_is_tokenised_as_it_is_answered(server, client):
    messages = [{"role": "user", "content": "Hi!"}]
    prompt = ask_json(server, "/apply-template", {"messages": messages})["prompt"]
    assert prompt.endswith("<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n")
    tokens = ask_json(server, "/tokenize", {"messages": messages})["tokens"]
    assert tokens == ask_json(server, "/tokenize", {"prompt": prompt})["tokens"]
    answer = client.chat.completions.create(model="demo", messages=messages, max_tokens=1)
    assert answer.usage.prompt_tokens == len(tokens)


def test_version_and_readiness(server):
    assert re.fullmatch(r"\d+\.\d+\.\d+", ask_json(server, "/version")["version"])
    assert ask_json(server, "/ready") == {"status": "ready"}


def series(server) -> dict[str, float]:
    with urllib.request.urlopen(server.url + "/metrics") as response:
        lines = response.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("streams", [False, True])
def test_metrics_add_up_to_what_clients_saw(server, client, streams):
    labels = '{engine="0",model_name="demo"}'
    before = series(server)
    answer = client.completions.create(
        model="demo", prompt="Once", max_tokens=7, extra_body={"ignore_eos": True}, stream=streams
    )
    if streams:
        assert len(list(answer)) > 1
    grown = {name: value - before.get(name, 0) for name, value in series(server).items()}
    assert grown["vllm:generation_tokens_total" + labels] == 7
    assert grown["vllm:time_to_first_token_seconds_count" + labels] == 1
    assert grown["vllm:inter_token_latency_seconds_count" + labels] == 6
    assert grown["vllm:e2e_request_latency_seconds_count" + labels] == 1
    assert grown['vllm:request_success_total{engine="0",finished_reason="length",model_name="demo"}'] == 1
