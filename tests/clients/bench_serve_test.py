"""`pelton bench serve` against a running server of ours, and against one that misbehaves."""

import http.server
import json
import subprocess
import threading
import time

import pytest
from conftest import TIMEOUT_S, find_program


def bench(url: str, *options: str) -> subprocess.CompletedProcess:
    command = [find_program(), "bench", "serve", "--url", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


def results(url: str, *options: str) -> list[dict]:
    done = bench(url, "--json", *options)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)["results"]


def test_closed_load(server):
    few, many = results(server.url, "--clients", "1,4", "--requests", "8", "--synthetic", "in=60,out=5", "--warmup", "1")
    for point, clients in (few, 1), (many, 4):
        assert point["clients"] == clients
        assert (point["requests"], point["failed"]) == (8, 0)
        assert point["answer_tokens"] == 40
        assert 50 * 8 < point["prompt_tokens"] < 70 * 8
        assert point["itl_ms"]["count"] >= 8 * 2, "pieces of text are seen one by one"
        assert point["ttft_ms"]["count"] == 8 and point["e2e_ms"]["p99"] >= point["ttft_ms"]["p99"] > 0


def test_a_page_with_plots(server, tmp_path):
    page = tmp_path / "load.html"
    results(server.url, "--clients", "1,2", "--requests", "4", "--synthetic", "in=30,out=3", "--html", str(page))
    text = page.read_text()
    assert text.startswith("<!doctype html>") and text.count("<svg ") == 4 and "2 clients" in text


@pytest.mark.parametrize("route", [[], ["--completions"]])
def test_open_load_counts_what_is_good(server, route):
    options = ["--rate", "50", "--requests", "10", "--synthetic", "in=40,out=3", *route]
    (easy,) = results(server.url + "/v1", "--slo", "ttft=100s,tpot=100s", *options)
    assert (easy["good"], easy["attainment"], easy["rate"]) == (10, 1, 50)
    (strict,) = results(server.url, "--slo", "ttft=0.001ms", *options)
    assert strict["good"] == 0


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """Answers well, breaks off, or refuses, in turns."""

    turn = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Misbehaving.turn += 1
        kind = Misbehaving.turn % 3
        body = b"" if kind == 2 else b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
        self.send_response(429 if kind == 2 else 200)
        self.send_header("Content-Length", str(len(body) + (14 if kind == 0 else 0)))
        self.end_headers()
        self.wfile.write(body + (b"data: [DONE]\n\n" if kind == 0 else b""))

    def log_message(self, *_):
        pass


def test_failures_are_counted_by_kind(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Misbehaving) as bad:
        threading.Thread(target=bad.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{bad.server_port}"
        dataset = [{"conversations": [{"from": "human", "value": "a question " * 3}, {"from": "gpt", "value": "an answer " * 3}]}]
        file = tmp_path / "sharegpt.json"
        file.write_text(json.dumps(dataset))
        done = bench(url, "--model", "m", "--dataset", str(file), "--requests", "9", "--warmup", "0", "--json")
        bad.shutdown()
    assert done.returncode == 1, "not all were answered"
    (point,) = json.loads(done.stdout)["results"]
    assert point["failed"] == 6
    assert sorted(point["errors"].values()) == [3, 3]
    assert {error.split(":")[0] for error in point["errors"]} == {"HTTP 429", "the stream ended without [DONE]"}


class Slow(http.server.BaseHTTPRequestHandler):
    """Streams in chunks, a tenth of a second apart."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in ['{"choices":[{"delta":{"content":"x"}}]}'] * 5 + ["[DONE]"]:
            event = f"data: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def test_pieces_count_from_when_they_came():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as slow:
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        options = ["--model", "m", "--requests", "2", "--warmup", "0"]
        (point,) = results(f"http://127.0.0.1:{slow.server_port}", *options)
        slow.shutdown()
    # A client that sees pieces late, but for the end of the stream, sees them with no time between them.
    assert point["itl_ms"]["count"] == 2 * 4
    assert point["itl_ms"]["mean"] > 20 and point["tpot_ms"]["mean"] > 20
    assert point["ttft_ms"]["max"] < point["e2e_ms"]["max"]


def test_nobody_listens():
    done = bench("http://127.0.0.1:9", "--model", "m")
    assert done.returncode == 1
    assert "connect" in done.stderr
