"""`pelton top` beside a server that is at work."""

import json
import signal
import subprocess

from conftest import TIMEOUT_S, find_program


def test_rates_and_percentiles_of_what_came_between_two_readings(server, client):
    command = [find_program(), "top", "--url", server.url, "--interval", "0.2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as top:
        top.stdout.readline()  # from here on every token falls between two readings
        client.completions.create(model="demo", prompt="Once", max_tokens=20, extra_body={"ignore_eos": True})
        readings = []
        while not any(reading["e2e_ms"]["p50"] for reading in readings):
            readings.append(json.loads(top.stdout.readline()))
        top.send_signal(signal.SIGINT)
        assert top.wait(TIMEOUT_S) == 0
    assert any(reading["answer_tokens_per_second"] > 0 for reading in readings)
    assert any(reading["ttft_ms"]["p50"] for reading in readings)
    assert readings[-1]["running"] == 0 and 0 <= readings[-1]["kv_use"] <= 1


def test_text_names_each_time(server):
    command = [find_program(), "top", "--url", server.url, "--interval", "0.1", "--count", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0
    for name in "ttft", "itl", "tpot", "queue", "e2e", "KV cache":
        assert done.stdout.count(name) == 2


def test_what_is_no_server_is_said():
    done = subprocess.run([find_program(), "top", "--url", "http://127.0.0.1:9"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
