"""Ways to a server beside plain TCP: TLS, Unix sockets, sockets that a service manager opened."""

import concurrent.futures
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading

import openai
import pytest
from conftest import SERVED_NAME, TIMEOUT_S, Server, find_demo_model, find_program


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


class SecureServer(Server):
    def __init__(self, certificate, socket_path):
        self.trust = ssl.create_default_context(cafile=str(certificate[0]))
        self.socket_path = socket_path
        super().__init__(
            *("--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1])),
            *("--unix-socket", str(socket_path)),
        )

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=self.url + "/v1", api_key="none", max_retries=0, http_client=openai.DefaultHttpxClient(verify=self.trust, timeout=TIMEOUT_S)
        )


@pytest.fixture(scope="module")
def secure(certificate, tmp_path_factory):
    server = SecureServer(certificate, tmp_path_factory.mktemp("unix") / "pelton.sock")
    yield server
    server.kill()


def test_the_real_client_over_tls(secure):
    assert secure.url.startswith("https://")
    client = secure.client()

    def stream(number: int) -> str:
        chunks = client.completions.create(model=SERVED_NAME, prompt=f"{number},", max_tokens=16, temperature=0, stream=True)
        return "".join(chunk.choices[0].text for chunk in chunks)

    alone = [stream(number) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(stream, range(8))) == alone


def test_a_tls_connection_carries_one_request_after_the_other(secure):
    connection = http.client.HTTPSConnection(*secure.address, context=secure.trust, timeout=TIMEOUT_S)
    for number in range(30):
        body = json.dumps({"prompt": "x" * (1 + 700 * (number % 3)), "max_tokens": 1})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200 and json.load(response)["object"] == "text_completion"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_and_plain_text_are_turned_away(secure):
    assert b"HTTP/1.1 200" not in secure.send(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(secure.address, timeout=TIMEOUT_S) as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(raw)
    assert secure.client().models.list().data


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self.path)


def get_health(connection: http.client.HTTPConnection) -> dict:
    connection.request("GET", "/health")
    return json.load(connection.getresponse())


def test_a_unix_socket_needs_no_tls(secure):
    connection = UnixConnection(secure.socket_path)
    assert get_health(connection)["status"] == "ok"
    assert get_health(connection)["status"] == "ok"


def start(command, **options):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_service_manager_gives_the_socket_and_hears_when_it_is_ready(tmp_path):
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind(str(tmp_path / "notify"))
    notifications.settimeout(TIMEOUT_S)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "activated"))
        listening.listen()
        # As systemd does it: the socket is descriptor 3, and the variables name the process that is to have it.
        serve = 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        descriptor = str(listening.fileno())
        command = ["bash", "-c", serve, descriptor, find_program(), "serve", "-m", find_demo_model()]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with start(command, env=environment, pass_fds=[listening.fileno()]) as process:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            assert notifications.recv(100) == b"READY=1"
            assert get_health(UnixConnection(tmp_path / "activated"))["status"] == "ok"
            process.terminate()
            assert notifications.recv(100) == b"STOPPING=1"
            assert process.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize("options, message", [
    (["--tls-certificate", "{certificate}"], "give both"),
    (["--tls-certificate", "{key}", "--tls-key", "{key}"], "key.pem"),
    (["--unix-socket", "{folder}"], "cannot listen on"),
])
def test_what_cannot_be_used_is_named(certificate, options, message):
    values = {"certificate": certificate[0], "key": certificate[1], "folder": certificate[0].parent}
    options = [option.format(**values) for option in options]
    command = [find_program(), "serve", "-m", find_demo_model(), "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1 and message in done.stderr
