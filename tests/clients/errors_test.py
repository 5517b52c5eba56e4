"""What is refused, how, and that the server lives on (conftest checks that after each test)."""

import json
import socket

import openai
import pytest

from conftest import CONTEXT_LENGTH, SERVED_NAME, TIMEOUT_S, parse_answer

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]


def check_error(answer, status: int, param=..., code=...) -> dict:
    """An error in OpenAI's form."""
    got_status, headers, body = answer
    assert got_status == status, body
    assert headers["content-type"] == "application/json" and headers["x-request-id"]
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"] and error["type"]
    assert param is ... or error["param"] == param
    assert code is ... or error["code"] == code
    return error


def test_client_sees_typed_errors(client):
    create = lambda **options: client.chat.completions.create(**{"model": SERVED_NAME, "messages": HI, "max_tokens": 1} | options)
    with pytest.raises(openai.NotFoundError) as missing:
        create(model="gpt-5")
    assert missing.value.code == "model_not_found" and missing.value.param == "model" and SERVED_NAME in missing.value.message
    with pytest.raises(openai.BadRequestError) as unknown:
        create(extra_body={"temprature": 1})
    assert unknown.value.param == "temprature" and unknown.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as several:
        create(n=129)
    assert several.value.param == "n"
    with pytest.raises(openai.BadRequestError) as streamed:
        create(stream=True, temperature=-1)
    assert streamed.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="a")  # no such route


@pytest.mark.parametrize(
    "field, value",
    [
        ("temperature", "hot"),
        ("temperature", 101),
        ("top_p", 0),
        ("top_p", 1.1),
        ("min_p", -1),
        ("repetition_penalty", 0),
        ("presence_penalty", 3),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("seed", "x"),
        ("stop", [""]),
        ("logprobs", 1),
        ("top_logprobs", 1),
        ("stream", 1),
        ("tools", [{"type": "function", "function": {"name": "a b"}}]),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "n", "schema": {"not": {}}}}),
        ("guided_regex", "("),
        ("guided_choice", []),
        ("logit_bias", {"5": 101}),
        ("logit_bias", {"1000000": 1}),
        ("allowed_token_ids", [1000000]),
        ("mirostat", 1),
        ("num_beams", 65),
        ("length_penalty", 2),
        ("messages", []),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "king", "content": ""}]),
        ("messages", [{"role": "user", "content": [{"type": "input_audio"}]}]),
    ],
)
def test_values_are_refused_by_name(server, field, value):
    error = check_error(server.post(CHAT, {"model": SERVED_NAME, "messages": HI, "max_tokens": 1, field: value}), 400)
    assert error["param"].startswith(field) or field.startswith("stop")
    assert field.split("[")[0] in error["message"]


def test_prompt_that_is_too_long_says_how_long(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model=SERVED_NAME, prompt=[504] * (CONTEXT_LENGTH + 7))
    assert error.value.code == "context_length_exceeded"
    assert str(CONTEXT_LENGTH + 7) in error.value.message and str(CONTEXT_LENGTH) in error.value.message
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model=SERVED_NAME, prompt=[504] * 5, max_tokens=CONTEXT_LENGTH)
    assert error.value.code == "context_length_exceeded" and error.value.param == "max_tokens"


def test_megabytes_of_prompt_are_refused_by_their_bytes(server):
    text = "every good boy " * (8 << 20 >> 4)
    error = check_error(server.post("/v1/completions", {"prompt": text}), 400, param="prompt", code="context_length_exceeded")
    assert f"{len(text)} bytes" in error["message"] and str(CONTEXT_LENGTH) in error["message"]
    error = check_error(server.post(CHAT, {"messages": [{"role": "user", "content": text}]}), 400, param="messages", code="context_length_exceeded")
    assert "bytes" in error["message"] and "at most" in error["message"]


def test_a_chat_that_is_too_long_blames_its_messages(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=SERVED_NAME, messages=[{"role": "user", "content": "yes " * 2 * CONTEXT_LENGTH}])
    assert error.value.code == "context_length_exceeded" and error.value.param == "messages"
    assert str(CONTEXT_LENGTH) in error.value.message


def test_unsupported_values_name_the_accepted_one(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=SERVED_NAME, messages=HI, store=True)
    assert "only false" in error.value.message


def test_token_ids_outside_of_the_vocabulary(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model=SERVED_NAME, prompt=[49152])
    assert error.value.param == "prompt"


BAD_BODIES = {
    "empty": b"",
    "truncated": b'{"messages":[{"role":"user","con',
    "not JSON": b"messages=hi",
    "an array": b"[]",
    "two values": b"{} {}",
    "deep": b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep and open": b'{"messages":' + b"[" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "invalid UTF-8": b'{"messages":[{"role":"user","content":"\xff\xfe"}]}',
    "overlong UTF-8": b'{"messages":[{"role":"user","content":"\xc0\xaf"}]}',
    "surrogate bytes": b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "lone surrogate": b'{"messages":[{"role":"user","content":"\\ud800"}]}',
    "key twice": b'{"messages":[],"messages":[{"role":"user","content":"Hi"}]}',
    "NaN": b'{"messages":[{"role":"user","content":"Hi"}],"temperature":NaN}',
    "number out of range": b'{"messages":[{"role":"user","content":"Hi"}],"seed":1e400}',
    "zero bytes": bytes(100),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bodies_that_are_no_request(server, name):
    check_error(server.post(CHAT, BAD_BODIES[name]), 400)
    check_error(server.post("/v1/completions", BAD_BODIES[name]), 400)


def test_routes_and_methods(server):
    ask = lambda method, path: parse_answer(server.send(f"{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()))
    check_error(ask("GET", "/"), 404, code="not_found")
    check_error(ask("GET", "/v1/nothing"), 404)
    check_error(ask("GET", "/v1/models/nothing"), 404, code="model_not_found")
    check_error(ask("GET", "/%2e%2e/etc/passwd"), 404)
    answer = ask("GET", CHAT)
    check_error(answer, 405)
    assert answer[1]["allow"] == "POST"
    assert ask("DELETE", "/v1/models")[1]["allow"] == "GET"


def test_browser_pages_cannot_post_forms(server):
    body = json.dumps({"messages": HI, "max_tokens": 1}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    foreign = head + "Origin: http://evil.example\r\nContent-Type: text/plain\r\n\r\n"
    check_error(parse_answer(server.send(foreign.encode() + body)), 415)
    from_curl = head + "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    assert parse_answer(server.send(from_curl.encode() + body))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length : 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: \x0bchunked",
        "Host: second\r\nContent-Length: 5",
        " folded: first\r\nContent-Length: 5",
    ],
)
def test_smuggling_forms_are_refused(server, headers):
    hidden = b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: t\r\n\r\n"
    answer = server.send(f"POST {CHAT} HTTP/1.1\r\nHost: t\r\n{headers}\r\n\r\n".encode() + hidden)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answer
    assert answer.count(b"HTTP/1.1 ") == 1, "the hidden request is not answered"


def test_oversized(server):
    megabytes_17 = 17 << 20
    check_error(server.post(CHAT, b"x" * megabytes_17), 413)
    announced = f"POST {CHAT} HTTP/1.1\r\nHost: t\r\nContent-Length: {1 << 62}\r\n\r\n"
    check_error(parse_answer(server.send(announced.encode())), 413)
    check_error(parse_answer(server.send(b"GET /health HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")), 431)
    endless = f"POST {CHAT} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"10000\r\n" + bytes(65536) + b"\r\n"
    assert server.send(endless + (b"10000\r\n" + bytes(65536) + b"\r\n") * 300).startswith(b"HTTP/1.1 413 ")


def test_body_that_ends_early(server):
    cut = f"POST {CHAT} HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{{".encode()
    check_error(parse_answer(server.send(cut, half_close=True)), 400)


def test_request_ids_come_back(server):
    assert server.post(CHAT, {}, X_Request_Id="abc-1")[1]["x-request-id"] == "abc-1"
    assert server.post(CHAT, {}, X_Request_Id="a b\tc")[1]["x-request-id"].startswith("req-")
    server.wait_for_log(lambda line: "abc-1" in line)


def test_deep_and_wide_bodies_cost_little(server):
    many_keys = b"{" + b",".join(b'"k%d":0' % i for i in range(200_000)) + b"}"
    check_error(server.post(CHAT, many_keys), 400, param="k0")
    check_error(server.post("/v1/completions", b'{"prompt":[' + b"[]," * 500_000 + b"[]]}"), 400, param="prompt")


def test_slow_headers_end(server, slow_sender):
    """The connection began with the first test (see conftest), so that nobody waits for it here."""
    slow_sender.settimeout(TIMEOUT_S)
    answer = b""
    while part := slow_sender.recv(4096):
        answer += part
    check_error(parse_answer(answer), 408)
    with socket.create_connection(server.address, timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
