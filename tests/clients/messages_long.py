"""Anthropic's own client against /v1/messages."""

import anthropic
import pytest
from conftest import SERVED_NAME, TIMEOUT_S, Server
from messages_test import HELLO, WEATHER


@pytest.fixture(scope="module")
def claude(server):
    with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0, timeout=TIMEOUT_S) as client:
        yield client


# This client has no argument for the temperature any more.
FIELDS = {"model": SERVED_NAME, "max_tokens": 24, "messages": HELLO, "extra_body": {"temperature": 0}}


def test_answers(claude):
    message = claude.messages.create(**FIELDS)
    assert message.content[0].text and message._request_id
    counted = claude.messages.count_tokens(model=SERVED_NAME, messages=HELLO)
    assert counted.input_tokens == message.usage.input_tokens + message.usage.cache_read_input_tokens


def test_streams(claude):
    whole = claude.messages.create(**FIELDS)
    with claude.messages.stream(**FIELDS) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == whole.content[0].text
    assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens


def test_calls_tools_and_takes_their_results(claude):
    fields = FIELDS | {"tools": [WEATHER], "tool_choice": {"type": "any"}, "max_tokens": 200}
    whole = claude.messages.create(**fields)
    with claude.messages.stream(**fields) as stream:
        final = stream.get_final_message()
    (call, *_) = [block for block in final.content if block.type == "tool_use"]
    assert call.input == whole.content[0].input and final.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "21 C"}
        for block in final.content
        if block.type == "tool_use"
    ]
    further = [*HELLO, {"role": "assistant", "content": final.content}, {"role": "user", "content": results}]
    assert claude.messages.create(**FIELDS | {"messages": further, "tools": [WEATHER]}).content


def test_errors_are_the_clients_own(claude):
    with pytest.raises(anthropic.BadRequestError, match="thinking.budget_tokens"):
        claude.messages.create(**FIELDS | {"thinking": {"type": "enabled", "budget_tokens": 1024}})
    with pytest.raises(anthropic.NotFoundError, match="claude-none"):
        claude.messages.create(**FIELDS | {"model": "claude-none"})


def test_the_key_is_taken_from_its_header(tmp_path):
    keys = tmp_path / "keys.json"
    # SHA-256 of "secret"
    keys.write_text(
        '{"keys": [{"name": "a", "sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}]}'
    )
    running = Server("--api-keys", str(keys), "--context", "256")
    try:
        with pytest.raises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=running.url, api_key="wrong", max_retries=0).messages.create(**FIELDS)
        client = anthropic.Anthropic(base_url=running.url, api_key="secret", max_retries=0, timeout=TIMEOUT_S)
        assert client.messages.create(**FIELDS).content
    finally:
        running.kill()
