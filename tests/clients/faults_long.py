"""Clients that leave, read slowly or are idle, adapters and models that come and go: the server's memory and its own counts.

PELTON_FAULT_SECONDS (20) is how long the mixed load takes; the seed is printed."""

import json
import os
import pathlib
import random
import socket
import threading
import time
import urllib.request

import pytest
from adapters_test import write_adapter
from conftest import GOLDEN, SERVED_NAME, TIMEOUT_S, Server
from metrics_test import one, scrape

IDLE_COUNT = 2000
IDLE_BYTES_MAX = 200e6
SECONDS = float(os.environ.get("PELTON_FAULT_SECONDS", "20"))


ENCODERS = {name: GOLDEN / "encoder" / name for name in ("bert", "roberta")}
ROOM_FOR_ONE_ENCODER = "300K"


def request_bytes(body: dict, path: str = "/v1/completions") -> bytes:
    raw = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n".encode() + raw
    )


def completion(**fields) -> dict:
    return {"model": SERVED_NAME, "prompt": "Once upon a time", "temperature": 0, "ignore_eos": True} | fields


def resident_bytes(server) -> int:
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    write_adapter(folder / "noise", seed=1)
    options = ["--context", "1024", "--max-sequences", "8", "--queue", "4096", "--prefix-cache", "off"]
    for name, path in ENCODERS.items():
        options += ["--also", f"{name}={path}"]
    running = Server(*options, "--also-memory", ROOM_FOR_ONE_ENCODER, "--also-idle", "0.5", "--adapter-folder", str(folder))
    yield running
    running.kill()


def read_until(connection: socket.socket, end: bytes, pause_s=0.0, part=65536) -> bytes:
    received = b""
    while end not in received:
        piece = connection.recv(part)
        assert piece, received[-200:]
        received += piece
        time.sleep(pause_s)
    return received


def test_idle_streams_cost_little_memory_and_hold_up_nobody(own_server):
    ask = request_bytes(completion(max_tokens=2))
    connection = socket.create_connection(own_server.address, timeout=TIMEOUT_S)
    for _ in range(20):  # what the server takes when it works at all
        connection.sendall(ask)
        read_until(connection, b'"usage"')
    before = resident_bytes(own_server)
    # Streams that have begun and wait, and those that wait to begin: both without a byte on its way.
    stream = request_bytes(completion(max_tokens=900, stream=True, priority="batch"))
    idle = [socket.create_connection(own_server.address, timeout=TIMEOUT_S) for _ in range(IDLE_COUNT)]
    try:
        for one_idle in idle:
            one_idle.sendall(stream)
        own_server.wait_for(lambda health: health["requests_running"] + health["requests_waiting"] >= IDLE_COUNT, 120)
        taken = resident_bytes(own_server) - before
        print(f"{IDLE_COUNT} idle streams: {taken / 1e6:.1f} MB")
        assert taken < IDLE_BYTES_MAX
        connection.sendall(request_bytes(completion(max_tokens=2, priority="interactive")))
        assert b'"finish_reason":"length"' in read_until(connection, b'"usage"')
    finally:
        for one_idle in idle:
            one_idle.close()
        connection.close()
    own_server.wait_until_idle()


class Load:
    """What one kind of client did; its own counts."""

    def __init__(self, server, seed: int):
        self.server, self.random = server, random.Random(seed)
        self.finished = self.left = self.tokens = self.refused = self.embedded = self.adapted = 0
        self.adapter = f"noise-{seed}"
        self.kinds = (
            self.whole,
            self.stream,
            self.read_slowly,
            self.leave,
            self.leave_at_once,
            self.ask_wrongly,
            self.embed,
            self.adapt,
        )

    def run(self, end: float) -> None:
        while time.monotonic() < end:
            self.random.choice(self.kinds)()

    def connect(self, body: dict, path: str = "/v1/completions") -> socket.socket:
        connection = socket.create_connection(self.server.address, timeout=TIMEOUT_S)
        connection.sendall(request_bytes(body, path))
        return connection

    def count(self, token_count: int) -> None:
        self.finished += 1
        self.tokens += token_count

    def whole(self) -> None:
        token_count = self.random.randint(1, 30)
        with self.connect(completion(max_tokens=token_count)) as connection:
            read_until(connection, b'"usage"')
        self.count(token_count)

    def stream(self, **reading) -> None:
        token_count = self.random.randint(1, 30)
        with self.connect(completion(max_tokens=token_count, stream=True)) as connection:
            read_until(connection, b"[DONE]", **reading)
        self.count(token_count)

    def read_slowly(self) -> None:
        self.stream(pause_s=0.005, part=64)

    def leave(self) -> None:
        # Long after it would be done: whoever leaves now leaves an answer in the middle.
        with self.connect(completion(max_tokens=900, stream=True)) as connection:
            read_until(connection, b"data: ")
        self.left += 1

    def leave_at_once(self) -> None:
        with self.connect(completion(max_tokens=900)):
            time.sleep(self.random.random() * 0.05)

    def embed(self) -> None:
        # Of two models there is room for one: who asks for the other waits, and unloads it.
        body = {"model": self.random.choice(list(ENCODERS)), "input": "the cat " * self.random.randint(1, 8)}
        with self.connect(body, "/v1/embeddings") as connection:
            read_until(connection, b'"usage"')
        self.embedded += 1

    def adapt(self) -> None:
        with self.connect({"lora_name": self.adapter, "lora_path": "noise"}, "/v1/load_lora_adapter") as connection:
            read_until(connection, b"Success")
        with self.connect(completion(model=self.adapter, max_tokens=5)) as connection:
            read_until(connection, b'"usage"')
        self.count(5)
        with self.connect({"lora_name": self.adapter}, "/v1/unload_lora_adapter") as connection:
            read_until(connection, b"Success")
        self.adapted += 1

    def ask_wrongly(self) -> None:
        with self.connect(completion(max_tokens=0)) as connection:
            assert b" 400 " in read_until(connection, b"max_tokens")
        self.refused += 1


@pytest.mark.timeout(SECONDS + TIMEOUT_S)
def test_counts_add_up_under_faults(own_server):
    seed = int(os.environ.get("PELTON_FAULT_SEED", "1"))
    print(f"seed {seed}, {SECONDS} s")
    own_server.wait_until_idle()
    before, memory = scrape(own_server)[2], resident_bytes(own_server)
    loads = [Load(own_server, seed * 1000 + i) for i in range(8)]
    end = time.monotonic() + SECONDS
    threads = [threading.Thread(target=load.run, args=(end,)) for load in loads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_server.wait_until_idle()
    after = scrape(own_server)[2]

    def grown(name, **labels):
        labels["model_name"] = SERVED_NAME
        return one(after, name, **labels) - (one(before, name, **labels))

    finished, left = sum(load.finished for load in loads), sum(load.left for load in loads)
    print(f"finished {finished}, left {left}, refused {sum(load.refused for load in loads)}")
    embedded, adapted = sum(load.embedded for load in loads), sum(load.adapted for load in loads)
    unloaded = sum("was unloaded" in line and "the model" in line for line in own_server.log)
    print(f"embedded {embedded}, adapted {adapted}, models unloaded {unloaded}")
    assert finished > 0 and left > 0 and embedded > 0 and adapted > 0 and unloaded > 0
    assert grown("vllm:request_success_total", finished_reason="length") == finished
    assert grown("vllm:request_success_total", finished_reason="error") == 0
    # Who left at once may have left before the request was read as a whole.
    assert grown("vllm:request_success_total", finished_reason="abort") >= left
    assert grown("vllm:e2e_request_latency_seconds_count") == finished
    assert grown("vllm:request_generation_tokens_sum") == sum(load.tokens for load in loads)
    print(f"memory: {memory / 1e6:.0f} → {resident_bytes(own_server) / 1e6:.0f} MB")
    assert resident_bytes(own_server) < memory + 50e6
    health = own_server.health()
    assert health["pages_used"] == 0
