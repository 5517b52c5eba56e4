"""Anthropic's /v1/messages, by bytes on the wire. What its own client makes of it: messages_long.py."""

import json

import pytest
from conftest import CONTEXT_LENGTH, SERVED_NAME

HELLO = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
VERSION = {"anthropic_version": "2023-06-01", "x_api_key": "none"}


def ask(server, path="/v1/messages", **fields) -> dict:
    status, headers, answer = server.post(path, fields, **VERSION)
    assert status == 200, answer
    assert headers["request-id"] == headers["x-request-id"]
    return answer


def create(server, **fields) -> dict:
    return ask(server, **({"model": SERVED_NAME, "max_tokens": 24, "messages": HELLO, "temperature": 0} | fields))


def stream(server, **fields) -> list[tuple[str, dict]]:
    body = {"model": SERVED_NAME, "max_tokens": 24, "messages": HELLO, "temperature": 0, "stream": True} | fields
    raw = json.dumps(body).encode()
    head = f"POST /v1/messages HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    head, _, text = server.send(head.encode() + raw).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200") and "text/event-stream" in head
    events = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    assert all(name == data["type"] for name, data in events)
    return events


def text_of(events) -> str:
    return "".join(data["delta"]["text"] for name, data in events if name == "content_block_delta")


def test_answers_as_the_chat_endpoint_does(server, client):
    answer = create(server)
    chat = client.chat.completions.create(model=SERVED_NAME, messages=HELLO, max_tokens=24, temperature=0)
    assert answer["content"] == [{"type": "text", "text": chat.choices[0].message.content}]
    assert answer["type"] == "message" and answer["role"] == "assistant" and answer["model"] == SERVED_NAME
    assert answer["id"].startswith("msg_") and answer["stop_sequence"] is None
    usage = answer["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == chat.usage.prompt_tokens
    assert usage["output_tokens"] == chat.usage.completion_tokens


def test_the_stream_says_the_same_and_counts_the_same(server):
    fields = {"system": "You are a poet of the sea.", "messages": [{"role": "user", "content": "Name a fish. " * 9}]}
    first, again, events = create(server, **fields), create(server, **fields), stream(server, **fields)
    assert text_of(events) == again["content"][0]["text"] == first["content"][0]["text"]
    assert [name for name, _ in events][:2] == ["message_start", "content_block_start"]
    assert [name for name, _ in events][-3:] == ["content_block_stop", "message_delta", "message_stop"]
    delta = dict(events)["message_delta"]
    assert delta["usage"] == again["usage"] and delta["usage"]["cache_read_input_tokens"] > 0
    assert delta["delta"] == {"stop_reason": again["stop_reason"], "stop_sequence": None}
    total = first["usage"]["input_tokens"] + first["usage"]["cache_read_input_tokens"]
    assert events[0][1]["message"]["usage"]["input_tokens"] == total
    counted = ask(server, "/v1/messages/count_tokens", model=SERVED_NAME, **fields)
    assert counted == {"input_tokens": total}


def test_system_is_part_of_the_prompt(server, client):
    answer = create(server, system=[{"type": "text", "text": "Answer in French."}])
    messages = [{"role": "system", "content": "Answer in French."}, *HELLO]
    chat = client.chat.completions.create(model=SERVED_NAME, messages=messages, max_tokens=24, temperature=0)
    assert answer["content"][0]["text"] == chat.choices[0].message.content


def test_stops_where_it_is_told_and_says_at_what(server):
    text = create(server)["content"][0]["text"]
    stop = text.split()[2]
    answer = create(server, stop_sequences=["never said", stop])
    assert answer["content"][0]["text"] == text[: text.index(stop)]
    assert answer["stop_reason"] == "stop_sequence" and answer["stop_sequence"] == stop
    assert create(server, max_tokens=2)["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("choice", [{"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_is_called_with_arguments_of_its_schema(server, choice):
    fields = {"tools": [WEATHER], "tool_choice": choice, "max_tokens": 200}
    answer = create(server, **fields)
    (block,) = answer["content"]
    assert block["type"] == "tool_use" and block["name"] == "get_weather" and answer["stop_reason"] == "tool_use"
    assert list(block["input"]) == ["city", "unit"] and block["input"]["unit"] in ("C", "F")

    events = stream(server, **fields)
    deltas = [data["delta"] for name, data in events if name == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"} and len(deltas) > 1
    assert json.loads("".join(delta["partial_json"] for delta in deltas)) == block["input"]
    start = dict(events)["content_block_start"]["content_block"]
    assert start["name"] == "get_weather" and start["input"] == {}

    result = {"type": "tool_result", "tool_use_id": block["id"], "content": [{"type": "text", "text": "21 C, sunny"}]}
    further = [*HELLO, {"role": "assistant", "content": [block]}, {"role": "user", "content": [result]}]
    assert create(server, messages=further, tools=[WEATHER])["content"]


def test_an_answer_of_a_given_form(server):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    answer = create(server, max_tokens=100, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert list(json.loads(answer["content"][0]["text"])) == ["n"]


@pytest.mark.parametrize(
    "fields, status, kind, words",
    [
        ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens: missing"),
        ({"model": "claude-none"}, 404, "not_found_error", "claude-none"),
        ({"top_q": 1}, 400, "invalid_request_error", "top_q: unknown field"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, 400, "invalid_request_error", "thinking.budget_tokens"),
        ({"output_config": {"effort": "low"}}, 400, "invalid_request_error", "output_config.effort"),
        ({"messages": [{"role": "user", "content": "word " * CONTEXT_LENGTH}]}, 400, "invalid_request_error", "1024"),
    ],
)  # fmt: skip
def test_refuses_in_anthropics_form(server, fields, status, kind, words):
    body = {"model": SERVED_NAME, "max_tokens": 4, "messages": HELLO} | fields
    got, _, answer = server.post("/v1/messages", body, **VERSION)
    assert got == status and answer["type"] == "error"
    assert answer["error"]["type"] == kind and words in answer["error"]["message"]


@pytest.mark.parametrize("version", [None, "2023-06-01", "2026-10-21"])
def test_versions_of_the_api(server, version):
    headers = {"anthropic_version": version} if version else {}
    status, _, answer = server.post("/v1/messages", {"max_tokens": 1, "messages": HELLO}, **headers)
    assert status == 200, answer


def test_what_happens_before_the_route_has_its_form_too(server):
    def error_type(status, path, body=b"{}", **headers):
        got, _, answer = server.post(path, body, **headers)
        assert got == status, answer
        return answer["type"], answer["error"]["type"]

    assert error_type(400, "/v1/messages", b"{") == ("error", "invalid_request_error")
    assert error_type(404, "/v1/messages/batches") == ("error", "not_found_error")
    assert error_type(400, "/v1/messages", anthropic_version="2023-01-01") == ("error", "invalid_request_error")
    too_long = server.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
    assert b"HTTP/1.1 413" in too_long and b"request_too_large" in too_long
    assert b"param" in server.send(b"GET /v1/message HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "OpenAI's"
