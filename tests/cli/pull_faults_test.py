"""`pelton pull` where something is wrong: the network, the server, the rights, the disk, the name, the process itself."""

import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time

import pytest

from conftest import TIMEOUT_S
from fake_hub import Fault, Hub

SOON = {"HF_HUB_DOWNLOAD_TIMEOUT": "1"}


def random_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


def add_model(hub, weights=b"w" * 5000, **options):
    return hub.add("org/model", {"config.json": "{}", "model.safetensors": weights}, **options)


def folder_of(pelton) -> pathlib.Path:
    return pelton.folder / ".cache/huggingface/hub/models--org--model"


def fail(pelton, *arguments, **options) -> dict:
    done = pelton("pull", "hf:org/model", *arguments, "--json", **options)
    assert done.returncode == 1, done.stdout
    error_lines = [line for line in done.stderr.splitlines() if line.startswith("pelton: error: ")]
    assert len(error_lines) == 1
    return json.loads(done.stdout)["error"]


def assert_whole(pelton, repository, name="model.safetensors"):
    snapshot = folder_of(pelton) / "snapshots" / repository.commit
    assert (snapshot / name).read_bytes() == repository.files[name]
    assert sorted(path.suffix for path in (folder_of(pelton) / "blobs").iterdir()) == [""] * len(os.listdir(snapshot))


# --- Rights and names


def test_gated_without_a_token(pelton, hub):
    add_model(hub, gated=True)
    error = fail(pelton)
    assert error["code"] == "permission"
    assert f"accept the terms at {hub.endpoint}/org/model" in error["message"] and "HF_TOKEN" in error["message"]


def test_gated_and_not_let_in(pelton, hub):
    add_model(hub, gated="closed")
    error = fail(pelton, env={"HF_TOKEN": hub.TOKEN})
    assert error["code"] == "permission"
    assert f"accept the terms at {hub.endpoint}/org/model" in error["message"] and "account of your token" in error["message"]


def test_a_wrong_token(pelton, hub):
    add_model(hub)
    error = fail(pelton, env={"HF_TOKEN": "hf_wrong"})
    assert error["code"] == "permission" and "does not accept the token" in error["message"]
    assert "hf_wrong" not in error["message"]


def test_private_or_missing(pelton, hub):
    error = fail(pelton)
    assert error["code"] == "permission" and "does not exist, or is private" in error["message"]
    error = fail(pelton, env={"HF_TOKEN": hub.TOKEN})
    assert error["code"] == "not_found" and "no model org/model" in error["message"]


def test_a_forbidden_repository(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", Fault(status=403, headers={"X-Error-Message": "disabled"}))
    error = fail(pelton)
    assert error["code"] == "permission" and "disabled" in error["message"]


def test_a_revision_that_is_not_there(pelton, hub):
    add_model(hub)
    error = pelton.json("pull", "hf:org/model@v9", code=1)["error"]
    assert error["code"] == "not_found" and '"v9"' in error["message"]


def test_a_file_that_went_away(pelton, hub):
    add_model(hub)
    hub.fail("hub", "config.json", Fault(status=404, headers={"X-Error-Code": "EntryNotFound"}))
    error = fail(pelton)
    assert error["code"] == "not_found" and '"config.json"' in error["message"]


# --- Answers that need another try


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
@pytest.mark.parametrize("server, path", [("hub", "revision"), ("hub", "tree"), ("hub", "resolve"), ("store", "blobs")])
def test_transient_answers_are_tried_again(pelton, hub, status, server, path):
    repository = add_model(hub)
    hub.fail(server, path, Fault(status=status, headers={"Retry-After": "0"}), Fault(status=status))
    assert pelton("pull", "hf:org/model").returncode == 0
    assert hub.faults == []
    assert_whole(pelton, repository)


def test_retry_after_is_kept_to(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", Fault(status=429, headers={"Retry-After": "3"}))
    start = time.monotonic()
    done = pelton("pull", "hf:org/model")
    assert done.returncode == 0 and "trying again in 3 s" in done.stderr
    assert time.monotonic() - start >= 3


def test_429_without_end(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", *[Fault(status=429, headers={"Retry-After": "0"})] * 3)
    error = fail(pelton, "--retries", 2)
    assert error["code"] == "resource_exhausted" and "429" in error["message"] and "HF_TOKEN" in error["message"]
    hub.fail("hub", "revision", Fault(status=429, headers={"Retry-After": "86400"}))
    assert "86400" in fail(pelton)["message"], "a day is not waited for"


def test_5xx_without_end(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", *[Fault(status=503)] * 2)
    assert "503" in fail(pelton, "--retries", 1)["message"]
    hub.fail("store", "blobs", *[Fault(status=500)] * 2)
    error = fail(pelton, "--retries", 1)
    assert error["code"] == "unavailable" and "model.safetensors" in error["message"] and "500" in error["message"]


def test_an_address_that_ran_out_is_asked_for_again(pelton, hub):
    repository = add_model(hub)
    hub.fail("store", "blobs", Fault(status=403))
    assert pelton("pull", "hf:org/model").returncode == 0
    assert_whole(pelton, repository)
    assert sum(path.endswith("model.safetensors") for path in hub.paths("hub")) == 2


def test_a_broken_transfer_goes_on_where_it_broke(pelton, hub):
    repository = add_model(hub, random_bytes(3_000_000))
    hub.fail("store", "blobs", Fault(break_after=1_000_000), Fault(break_after=500_000), Fault(break_after=0))
    report = pelton.json("pull", "hf:org/model")
    assert_whole(pelton, repository)
    ranges = [request["range"] for request in hub.requests if request["server"] == "store"]
    assert ranges == [None, "bytes=1000000-2999999", "bytes=1500000-2999999", "bytes=1500000-2999999"]
    assert hub.blob_bytes_sent == report["transferred_bytes"] == 3_000_002, "not a byte twice"


def test_a_transfer_that_always_breaks_ends(pelton, hub):
    add_model(hub)
    hub.fail("store", "blobs", *[Fault(break_after=0)] * 3)
    error = fail(pelton, "--retries", 2)
    assert error["code"] == "unavailable" and "3 tries" in error["message"] and "too early" in error["message"]


def test_a_server_without_ranges_sends_all_from_the_start(pelton, hub):
    hub.has_ranges = False
    repository = add_model(hub, random_bytes(9_000_000))
    hub.fail("store", "blobs", Fault(break_after=1_000_000))
    report = pelton.json("pull", "hf:org/model")
    assert_whole(pelton, repository)
    assert report["transferred_bytes"] == 10_000_002


def test_a_server_without_ranges_that_always_breaks_ends(pelton, hub):
    hub.has_ranges = False
    hub.add("org/model", {"config.json": "{}", "model.safetensors": random_bytes(9_000_000)})
    hub.fail("store", "blobs", *[Fault(break_after=1_000_000)] * 20)
    error = pelton.json("pull", "hf:org/model", "--retries", 1, code=1)["error"]
    assert error["code"] == "unavailable" and "too early" in error["message"]
    assert len(hub.paths("store")) <= 4


def test_ranges_that_stop_working_in_between(pelton, hub):
    repository = add_model(hub, random_bytes(9_000_000))
    hub.fail("store", "blobs", Fault(), Fault(ignores_range=True))
    assert pelton("pull", "hf:org/model").returncode == 0
    assert_whole(pelton, repository)


@pytest.mark.parametrize("header", ["bytes 0-10/5000", "bytes 5-10/*", "x", "bytes 0-99999999999999999999/3"])
def test_a_wrong_range(pelton, hub, header):
    add_model(hub, random_bytes(9_000_000))
    hub.fail("store", "blobs", *[Fault(headers={"Content-Range": header})] * 4)
    error = fail(pelton, "--retries", 1, "--connections", 1)
    assert "model.safetensors" in error["message"]


# --- Slow and silent


@pytest.mark.parametrize("fault", [Fault(drip_seconds=0.1), Fault(silent=True)], ids=["drips", "silent"])
@pytest.mark.parametrize("server, path", [("hub", "revision"), ("hub", "config.json"), ("store", "blobs")])
def test_who_sends_next_to_nothing_is_left(pelton, hub, server, path, fault):
    repository = add_model(hub, random_bytes(100_000))
    repository.files["config.json"] = b" " * 200
    hub.fail(server, path, fault, fault)
    error = fail(pelton, "--retries", 1, env=SOON)
    assert error["code"] == "unavailable" and "next to nothing for 1 s" in error["message"]


def test_one_slow_answer_is_no_end(pelton, hub):
    repository = add_model(hub, random_bytes(100_000))
    hub.fail("store", "blobs", Fault(drip_seconds=0.1))
    assert pelton("pull", "hf:org/model", env=SOON).returncode == 0
    assert_whole(pelton, repository)


# --- Wrong bytes


def test_a_wrong_checksum_throws_the_file_away(pelton, hub):
    repository = add_model(hub)
    hub.fail("store", "blobs", Fault(body=b"v" * 5000))
    error = fail(pelton)
    assert error["code"] == "corrupt_file" and "SHA-256" in error["message"] and "thrown away" in error["message"]
    assert hashlib.sha256(b"v" * 5000).hexdigest() in error["message"] and repository.etag("model.safetensors") in error["message"]
    assert not list(folder_of(pelton).glob("blobs/*.incomplete")) and not list(folder_of(pelton).glob("snapshots/*/model*"))
    assert not (folder_of(pelton) / "refs/main").exists(), "main does not lead to half a model"
    assert pelton("pull", "hf:org/model").returncode == 0
    assert_whole(pelton, repository)


def test_a_wrong_checksum_of_a_small_file(pelton, hub):
    add_model(hub)
    hub.fail("hub", "config.json", Fault(body=b"[]"))
    error = fail(pelton)
    assert error["code"] == "corrupt_file" and "git's SHA-1" in error["message"]


def test_a_list_that_does_not_fit_the_file(pelton, hub):
    repository = add_model(hub)
    repository.declared_hashes["model.safetensors"] = "0" * 64
    assert "0" * 64 in fail(pelton)["message"]
    assert not list(folder_of(pelton).glob("snapshots/*/model*"))


@pytest.mark.parametrize("size", [4999, 5001, 0])
def test_a_wrong_length(pelton, hub, size):
    repository = add_model(hub)
    repository.declared_sizes["model.safetensors"] = size
    error = fail(pelton)
    assert error["code"] == "corrupt_file" and "model.safetensors" in error["message"]
    assert not list(folder_of(pelton).glob("snapshots/*/model*"))


def test_packed_content_is_refused(pelton, hub):
    add_model(hub)
    hub.fail("store", "blobs", Fault(headers={"Content-Encoding": "gzip"}))
    assert "packed" in fail(pelton)["message"]


# --- A hub that is none, or hostile


@pytest.mark.parametrize(
    "path", ["../../../../evil", "/etc/evil", "a/../../evil", "a//b", "a\\b", "", "a\nb", "." , "x/" + "y" * 300],
)  # fmt: skip
def test_names_that_leave_the_folder(pelton, hub, path):
    add_model(hub, extra_tree_entries=[{"type": "file", "oid": "1" * 40, "size": 1, "path": path}])
    error = fail(pelton)
    assert error["code"] == "corrupt_file"
    assert not folder_of(pelton).exists()


@pytest.mark.parametrize(
    "body",
    [b"<html>Welcome</html>", b"", b"[]", b"{}", b'{"sha": 5}', b'{"sha": "../../x"}', b"{" * 1000, b'"\xff"', b"null"],
)
def test_answers_of_something_else(pelton, hub, body):
    add_model(hub)
    hub.fail("hub", "revision", Fault(body=body))
    error = fail(pelton)
    assert error["code"] == "corrupt_file" and "not what a hub gives" in error["message"]


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[5]", b'[{"type": "file"}]', b'[{"type": "file", "path": "a", "size": -1, "oid": "x"}]', b'[{"type": 3}]',
     b'[{"type": "file", "path": "a", "size": 1, "oid": "../../../x"}]'],
)  # fmt: skip
def test_lists_of_something_else(pelton, hub, body):
    add_model(hub)
    hub.fail("hub", "tree", Fault(body=body))
    assert fail(pelton)["code"] == "corrupt_file"


def test_endless_pages(pelton, hub):
    add_model(hub)
    page = b'[{"type": "directory", "path": "x"}]'
    link = {"Link": '</api/models/org/model/tree/x?cursor=1>; rel="next"'}
    hub.fail("hub", "tree", *[Fault(body=page, headers=link)] * 151)
    assert "pages" in fail(pelton)["message"]


def test_redirects_in_a_circle(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", *[Fault(status=302, headers={"Location": "/api/models/org/model/revision/main"})] * 11)
    assert "more than 10 times" in fail(pelton)["message"]


def test_a_renamed_repository(pelton, hub):
    repository = add_model(hub)
    hub.fail("hub", "revision", Fault(status=307, headers={"Location": "/api/models/org/model/revision/main"}))
    assert pelton("pull", "hf:org/model").returncode == 0
    assert_whole(pelton, repository)


@pytest.mark.parametrize("location", ["ftp://x/", "http://exa mple/", "http://example.invalid/x", "file:///etc/passwd"])
def test_redirects_to_what_is_not_fetched(pelton, hub, location):
    add_model(hub)
    hub.fail("hub", "config.json", Fault(status=302, headers={"Location": location}))
    assert fail(pelton, env={"HF_TOKEN": hub.TOKEN})["code"] in ("unavailable", "unsupported")


def test_a_header_without_end(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", *[Fault(headers={"X-Much": "x" * 100_000})] * 2)
    assert fail(pelton, "--retries", 0)["code"] == "unavailable"


def test_an_answer_without_end(pelton, hub):
    add_model(hub)
    hub.fail("hub", "revision", Fault(body=b" " * (33 << 20)))
    error = fail(pelton)
    assert error["code"] == "resource_exhausted" and "more than" in error["message"]


def test_nobody_listens(pelton, hub):
    hub.stop()
    error = fail(pelton, "--retries", 1)
    assert error["code"] == "unavailable" and "refused" in error["message"].lower()


def test_a_name_that_no_dns_knows(pelton):
    error = fail(pelton, "--retries", 0, env={"HF_ENDPOINT": "https://hub.invalid"})
    assert error["code"] == "unavailable" and "hub.invalid" in error["message"]


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://x", "https://me:pw@h"])
def test_a_bad_endpoint(pelton, endpoint):
    assert "HF_ENDPOINT" in fail(pelton, env={"HF_ENDPOINT": endpoint})["message"]


# --- Offline


def test_offline(pelton, hub):
    add_model(hub)
    offline = {"HF_HUB_OFFLINE": "1"}
    error = fail(pelton, env=offline)
    assert error["code"] == "unavailable" and "HF_HUB_OFFLINE" in error["message"] and hub.requests == []
    path = pelton.json("pull", "hf:org/model")["path"]
    hub.requests.clear()
    report = pelton.json("pull", "hf:org/model", env=offline)
    assert report["path"] == path and report["offline"] is True and hub.requests == []
    (pathlib.Path(path) / "config.json").unlink()
    assert "config.json" in fail(pelton, env=offline)["message"]
    assert "model.gguf" in pelton.json("pull", "hf:org/model:model.gguf", code=1, env=offline)["error"]["message"]


# --- Disk


def test_a_disk_that_is_too_small_is_seen_before_the_first_byte(pelton, hub):
    repository = add_model(hub)
    repository.declared_sizes["model.safetensors"] = 10**17
    error = fail(pelton)
    assert error["code"] == "resource_exhausted" and "free" in error["message"] and "pelton rm" in error["message"]
    assert not any("/resolve/" in path for path in hub.paths())


def test_a_cache_that_cannot_be_written(pelton, hub):
    add_model(hub)
    (pelton.folder / "file").write_text("x")
    error = fail(pelton, env={"HF_HOME": str(pelton.folder / "file/home")})
    assert error["code"] == "io" and "HF_HOME" in error["message"]


# --- Ends in between


def start(pelton, *arguments) -> subprocess.Popen:
    command = [pelton.program, "pull", *map(str, arguments)]
    return subprocess.Popen(command, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journalled_bytes(pelton) -> int:
    total = 0
    for path in folder_of(pelton).glob("blobs/*.ranges"):
        lines = path.read_text().splitlines()[1:]
        total += sum(int(end) - int(begin) for begin, end in map(str.split, lines))
    return total


def wait_until(condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_was_stopped_goes_on_with_the_rest(pelton, hub, connections, way):
    size = 20 << 20
    repository = add_model(hub, random_bytes(size))
    hub.gate_bytes = 11 << 20
    process = start(pelton, "hf:org/model", "--connections", connections)
    wait_until(lambda: hub.blob_bytes_sent >= hub.gate_bytes and journalled_bytes(pelton) >= 6 << 20)
    process.send_signal(way)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == (-way if way == signal.SIGKILL else 128 + way)
    assert (way == signal.SIGKILL) != ("goes on with it" in errors)
    had = journalled_bytes(pelton)
    assert 6 << 20 <= had < size
    assert not list(folder_of(pelton).glob("snapshots/*/model*"))

    hub.gate_bytes = None
    report = pelton.json("pull", "hf:org/model", "--connections", connections)
    assert_whole(pelton, repository)
    small = 0 if list(folder_of(pelton).glob("snapshots/*/config.json")) == [] else 2
    assert size - had <= report["transferred_bytes"] <= size - had + small, "the rest, and nothing twice"


def test_what_another_program_began_is_gone_on_with(pelton, hub):
    repository = add_model(hub)
    blobs = folder_of(pelton) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{repository.etag('model.safetensors')}.incomplete").write_bytes(b"w" * 2000)
    report = pelton.json("pull", "hf:org/model")
    assert_whole(pelton, repository)
    assert report["transferred_bytes"] == 3002


def test_a_broken_partial_file_costs_a_try_and_no_more(pelton, hub):
    repository = add_model(hub)
    blobs = folder_of(pelton) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{repository.etag('model.safetensors')}.incomplete").write_bytes(b"?" * 2000)
    assert fail(pelton)["code"] == "corrupt_file"
    assert pelton("pull", "hf:org/model").returncode == 0
    assert_whole(pelton, repository)


def test_two_pulls_of_one_file(pelton, hub):
    size = 9 << 20
    repository = add_model(hub, random_bytes(size))
    hub.gate_bytes = 1 << 20
    first = start(pelton, "hf:org/model:model.safetensors")
    wait_until(lambda: hub.blob_bytes_sent >= hub.gate_bytes)
    second = start(pelton, "hf:org/model:model.safetensors")
    lines = [second.stderr.readline() for _ in range(2)]
    assert any("waiting for another download of model.safetensors" in line for line in lines), lines
    hub.gate_bytes = None
    for process in (first, second):
        process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
    assert_whole(pelton, repository)
    assert hub.blob_bytes_sent == size, "once"


def test_a_stop_does_not_wait_for_a_silent_server(pelton, hub):
    add_model(hub)
    hub.fail("store", "blobs", Fault(silent=True))
    process = start(pelton, "hf:org/model")
    wait_until(lambda: hub.paths("store") != [])
    start_time = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130 and time.monotonic() - start_time < 15, "and not the 30 s of silence"


# --- TLS


def make_certificate(folder, host: str) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: scripts/setup test installs it")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.fixture
def secure_hub(pelton, tmp_path):
    hub = Hub(make_certificate(tmp_path, "localhost"), "localhost")
    pelton.environment["HF_ENDPOINT"] = hub.endpoint
    yield hub
    hub.stop()


def test_tls_with_a_certificate_that_is_trusted(pelton, secure_hub, tmp_path):
    repository = add_model(secure_hub, random_bytes(9 << 20))
    done = pelton("pull", "hf:org/model", env={"SSL_CERT_FILE": str(tmp_path / "cert.pem"), "HF_TOKEN": secure_hub.TOKEN})
    assert done.returncode == 0, done.stderr
    assert_whole(pelton, repository)


def test_tls_with_a_certificate_that_is_not(pelton, secure_hub):
    add_model(secure_hub)
    error = fail(pelton, env={"HF_TOKEN": secure_hub.TOKEN})
    assert error["code"] == "unavailable" and "not trusted" in error["message"] and "SSL_CERT_FILE" in error["message"]
    assert secure_hub.requests == [], "nothing was told"


def test_tls_with_a_certificate_for_another_host(pelton, secure_hub, tmp_path):
    add_model(secure_hub)
    environment = {
        "SSL_CERT_FILE": str(tmp_path / "cert.pem"),
        "HF_ENDPOINT": secure_hub.endpoint.replace("localhost", "127.0.0.1"),
    }
    error = fail(pelton, env=environment)
    assert error["code"] == "unavailable" and "not trusted" in error["message"]
    assert secure_hub.requests == []


def test_https_never_leads_to_http(pelton, secure_hub, hub, tmp_path):
    add_model(secure_hub)
    location = f"{hub.store}/blobs/x"
    secure_hub.fail("hub", "config.json", Fault(status=302, headers={"Location": location}))
    error = fail(pelton, env={"SSL_CERT_FILE": str(tmp_path / "cert.pem"), "HF_ENDPOINT": secure_hub.endpoint})
    assert error["code"] == "unsupported" and "plain http" in error["message"]
    assert hub.requests == []


class Proxy:
    """Tunnels whatever host it is asked for to this machine's loopback."""

    def __init__(self):
        import socketserver

        self.heads = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                import socket

                head = b""
                while b"\r\n\r\n" not in head:
                    head += self.request.recv(4096)
                proxy.heads.append(head.decode())
                port = int(re.match(rb"CONNECT [^:]+:(\d+) ", head)[1])
                other = socket.create_connection(("127.0.0.1", port))
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self.copy, args=(other, self.request), daemon=True).start()
                self.copy(self.request, other)

            @staticmethod
            def copy(source, target):
                try:
                    while data := source.recv(65536):
                        target.sendall(data)
                except OSError:
                    pass

        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"


def test_through_a_proxy(pelton, tmp_path):
    hub = Hub(make_certificate(tmp_path, "hub.test"), "hub.test")
    proxy = Proxy()
    repository = add_model(hub)
    environment = {
        "HF_ENDPOINT": hub.endpoint,
        "SSL_CERT_FILE": str(tmp_path / "cert.pem"),
        "HTTPS_PROXY": f"http://me:pass%20word@{proxy.address}",
        "NO_PROXY": "example.org,.test2",
    }
    done = pelton("pull", "hf:org/model", env=environment)
    assert done.returncode == 0, done.stderr
    assert_whole(pelton, repository)
    assert proxy.heads and all("Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n" in head for head in proxy.heads)
    assert all("HF_TOKEN" not in head for head in proxy.heads)
    error = fail(pelton, "--retries", 0, env={**environment, "NO_PROXY": ".test"})
    assert "cannot be resolved" in error["message"]
    assert "other kinds" in fail(pelton, env={**environment, "HTTPS_PROXY": "socks5://x:1"})["message"]
    hub.stop()
    proxy.server.shutdown()
