"""Many clients at once, clients that leave, and the end of the server."""

import concurrent.futures
import json
import socket

import openai
import pytest

from conftest import SERVED_NAME, TIMEOUT_S, Server

CLIENT_COUNT = 16
PROMPTS = [f"{number} green bottles hanging on the wall," for number in range(2, 2 + CLIENT_COUNT)]


def complete(client, prompt, **options):
    options = {"temperature": 0, "max_tokens": 20} | options
    return client.completions.create(model=SERVED_NAME, prompt=prompt, **options).choices[0].text


def begin_stream(server, prompt="Once upon a time", max_tokens=900) -> socket.socket:
    body = json.dumps({"prompt": prompt, "max_tokens": max_tokens, "stream": True, "ignore_eos": True, "temperature": 0}).encode()
    connection = socket.create_connection(server.address, timeout=TIMEOUT_S)
    connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def test_sixteen_clients_share_steps_and_change_nothing(exact_server, exact_client):
    length = 12
    ask = lambda prompt: complete(exact_client, prompt, max_tokens=length)
    alone = [ask(prompt) for prompt in PROMPTS]
    before = exact_server.wait_until_idle()
    with concurrent.futures.ThreadPoolExecutor(CLIENT_COUNT) as pool:
        together = list(pool.map(ask, PROMPTS))
    steps = exact_server.health()["steps"] - before["steps"]
    assert together == alone
    assert steps < CLIENT_COUNT * length / 3, f"{steps} steps for {CLIENT_COUNT} answers of {length} tokens: hardly shared"


def test_seeds_hold_in_company(client):
    options = {"temperature": 1.5, "seed": 11}
    alone = complete(client, PROMPTS[0], **options)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: complete(client, PROMPTS[0], **options), range(4))) == [alone] * 4


def test_mixed_streams_and_answers(client):
    def one(number):
        if number % 2:
            return complete(client, PROMPTS[number])
        chunks = client.completions.create(model=SERVED_NAME, prompt=PROMPTS[number], temperature=0, max_tokens=20, stream=True)
        return "".join(chunk.choices[0].text for chunk in chunks)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [complete(client, prompt) for prompt in PROMPTS[:8]]


def test_client_that_leaves_a_stream_frees_its_pages(server):
    connection = begin_stream(server)
    assert b"data: " in connection.recv(65536) + connection.recv(65536)
    assert server.health()["pages_used"] > 0
    connection.close()
    server.wait_until_idle()


def test_client_that_does_not_wait_for_its_answer(server):
    body = json.dumps({"prompt": "Once", "max_tokens": 900, "ignore_eos": True}).encode()
    connection = socket.create_connection(server.address, timeout=TIMEOUT_S)
    connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    server.wait_for(lambda health: health["requests_running"] == 1)
    connection.close()
    server.wait_until_idle()


def test_client_closes_a_stream_early(server, client):
    with client.completions.create(model=SERVED_NAME, prompt="Once", max_tokens=900, stream=True, extra_body={"ignore_eos": True}) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                break
    server.wait_until_idle()


def test_reset_in_the_middle(server):
    connection = begin_stream(server)
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()  # a reset, not a farewell
    server.wait_until_idle()


def test_pipelined_requests_are_answered_in_order(server):
    body = json.dumps({"prompt": "a b c", "max_tokens": 2, "temperature": 0}).encode()
    post = f"POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    get = b"GET /v1/models HTTP/1.1\r\nHost: t\r\n"
    answer = server.send(post + get + b"\r\n" + post + get + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    kinds = [answer.find(b"text_completion"), answer.find(b'"list"'), answer.rfind(b"text_completion"), answer.rfind(b'"list"')]
    assert kinds == sorted(kinds) and -1 not in kinds


def test_models(server, client):
    assert [model.id for model in client.models.list()] == [SERVED_NAME]
    assert client.models.retrieve(SERVED_NAME).object == "model"
    assert server.health()["status"] == "ok"


def test_sigterm_does_not_wait_for_half_a_request():
    server = Server("--context", "64")
    head = b"POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(server.address, timeout=TIMEOUT_S) as connection:
        connection.sendall(head + b'{"prompt":')
        server.health()
        server.process.terminate()
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 503 ") and b"stopping" in answer
    assert server.process.wait(timeout=TIMEOUT_S) == 0
    assert not any("did not end in time" in line for line in server.log)


def test_sigterm_lets_answers_finish_and_full_queue_is_429():
    server = Server("--context", "512", "--max-sequences", "1", "--queue", "1", "--drain-seconds", "120")
    client = server.client()
    running = begin_stream(server, max_tokens=450)
    server.wait_for(lambda health: health["requests_running"] == 1)
    waiting = begin_stream(server, max_tokens=1)
    server.wait_for(lambda health: health["requests_waiting"] == 1)
    with pytest.raises(openai.RateLimitError) as refused:
        complete(client, "one too many")
    assert int(refused.value.response.headers["retry-after"]) >= 1

    server.process.terminate()
    answers = [b"", b""]
    for number, connection in enumerate((running, waiting)):
        while part := connection.recv(65536):
            answers[number] += part
    assert all(b"data: [DONE]" in answer for answer in answers), "in flight when the signal came, and whole"
    assert server.process.wait(timeout=TIMEOUT_S) == 0
