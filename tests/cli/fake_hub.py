"""A hub on loopback that behaves like Hugging Face's, and misbehaves on demand.

Two servers: the hub itself (its API, small files) and its store ("CDN"), to which it redirects for large files. Tests put
repositories into it, and faults: what the next requests for a path are to meet. It remembers each request.
"""

import dataclasses
import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse

PAGE_FILES = 3  # of the tree API; the real one has 1000
LFS_ENDINGS = (".safetensors", ".gguf", ".parquet", ".bin")


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclasses.dataclass
class Fault:
    """What one request meets. The default does nothing."""

    status: int | None = None  # instead of the answer
    headers: dict = dataclasses.field(default_factory=dict)  # added to the answer's, or in their place
    break_after: int | None = None  # bytes of the body, then the connection breaks
    drip_seconds: float | None = None  # one byte, then this pause, until the client goes
    body: bytes | None = None  # in place of the answer's, with status 200 and its own length
    ignores_range: bool = False
    silent: bool = False  # no answer until the client goes


@dataclasses.dataclass
class Repository:
    files: dict  # path → bytes
    commit: str
    gated: bool = False
    private: bool = False
    card_data: dict | None = None
    refs: dict = dataclasses.field(default_factory=dict)
    declared_sizes: dict = dataclasses.field(default_factory=dict)  # in place of the true ones
    declared_hashes: dict = dataclasses.field(default_factory=dict)
    extra_tree_entries: list = dataclasses.field(default_factory=list)

    def is_lfs(self, path: str) -> bool:
        return path.endswith(LFS_ENDINGS)

    def etag(self, path: str) -> str:
        data = self.files[path]
        return hashlib.sha256(data).hexdigest() if self.is_lfs(path) else git_sha1(data)

    def tree_entry(self, path: str) -> dict:
        data = self.files[path]
        size = self.declared_sizes.get(path, len(data))
        entry = {"type": "file", "oid": git_sha1(data), "size": size, "path": path}
        checksum = self.declared_hashes.get(path, self.etag(path))
        if self.is_lfs(path):
            entry["lfs"] = {"oid": checksum, "size": size, "pointerSize": 134}
        else:
            entry["oid"] = checksum
        return entry


class Hub:
    TOKEN = "hf_right"

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self.repositories: dict[str, Repository] = {}  # "models/ORG/NAME"
        self.faults: list[tuple[str, str, Fault]] = []  # (server, part of the path, fault), each used once
        self.requests: list[dict] = []
        self.blob_bytes_sent = 0
        self.gate_bytes: int | None = None  # after so many bytes of blobs, no more until it is None
        self.lock = threading.Lock()
        self.stopping = False
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, tuple[bytes, dict]] = {}  # of the store, by path: plain addresses
        self.has_ranges = True
        self.link_base: str | None = None  # of the next page's address; behind a mirror it is the real hub's
        scheme = "https" if tls else "http"
        self.servers = []
        for role in ("hub", "store"):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), make_handler(self, role))
            server.daemon_threads = True
            server.handle_error = lambda *_: None  # clients that go away are part of the tests
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.servers.append(server)
        self.endpoint, self.store = (f"{scheme}://{host}:{server.server_address[1]}" for server in self.servers)

    def stop(self):
        self.stopping = True
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name: str, files: dict, kind: str = "models", **options) -> Repository:
        data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        commit = hashlib.sha1(repr(sorted((path, git_sha1(body)) for path, body in data.items())).encode()).hexdigest()
        repository = Repository(data, commit, **options)
        repository.refs.setdefault("main", commit)
        self.repositories[f"{kind}/{name}"] = repository
        for path in data:
            self.blobs[repository.etag(path)] = data[path]
        return repository

    def fail(self, server: str, path: str, *faults: Fault):
        self.faults += [(server, path, fault) for fault in faults]

    def take_fault(self, server: str, path: str) -> Fault:
        with self.lock:
            for i, (of, part, fault) in enumerate(self.faults):
                if of == server and part in path:
                    del self.faults[i]
                    return fault
        return Fault()

    def paths(self, server: str | None = None) -> list[str]:
        return [request["path"] for request in self.requests if server in (None, request["server"])]

    def wait_at_gate(self):
        while self.gate_bytes is not None and self.blob_bytes_sent >= self.gate_bytes and not self.stopping:
            time.sleep(0.005)


class Answered(Exception):
    pass


def make_handler(hub: Hub, role: str):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            url = urllib.parse.urlsplit(self.path)
            path = urllib.parse.unquote(url.path)
            with hub.lock:
                hub.requests.append(
                    {
                        "server": role,
                        "method": self.command,
                        "path": path,
                        "raw": self.path,
                        "range": self.headers.get("Range"),
                        "authorization": self.headers.get("Authorization"),
                        "user_agent": self.headers.get("User-Agent"),
                    }
                )
            self.fault = hub.take_fault(role, path)
            try:
                if self.fault.silent:
                    while not hub.stopping:
                        time.sleep(0.01)
                    return
                if self.fault.status:
                    self.send(self.fault.status, b"", {})
                elif self.fault.body is not None:
                    self.send(200, self.fault.body, {})
                elif role == "store":
                    self.answer_store(path)
                else:
                    self.answer_hub(path, urllib.parse.parse_qs(url.query))
            except (Answered, OSError):
                self.close_connection = True

        # --- The store

        def answer_store(self, path: str):
            if path in hub.files:
                data, headers = hub.files[path]
                return self.send_file(data, headers)
            data = hub.blobs.get(path.removeprefix("/blobs/"))
            if data is None:
                return self.send(404, b"no such blob", {})
            self.send_file(data, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

        # --- The hub

        def refuse(self, status: int, code: str, message: str):
            self.send(status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message})
            raise Answered

        def find(self, kind: str, name: str) -> Repository:
            sent = self.headers.get("Authorization")
            if sent not in (None, f"Bearer {hub.TOKEN}"):
                self.send(401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
                raise Answered
            repository = hub.repositories.get(f"{kind}/{name}")
            if repository is None or (repository.private and not sent):
                self.refuse(404 if sent else 401, "RepoNotFound", "Repository not found")
            return repository

        def check_gate(self, repository: Repository):
            if repository.gated == "closed" or (repository.gated and not self.headers.get("Authorization")):
                status = 403 if self.headers.get("Authorization") else 401
                self.refuse(status, "GatedRepo", "Access to this model is restricted")

        def resolve(self, repository: Repository, revision: str) -> str:
            commit = revision if revision == repository.commit else repository.refs.get(revision)
            if commit is None:
                self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return commit

        def answer_hub(self, path: str, query: dict):
            parts = path.strip("/").split("/")
            if parts[0] == "api":
                kind, owner, name, verb, *rest = parts[1:]
                repository = self.find(kind, f"{owner}/{name}")
                if verb == "revision":
                    return self.answer_revision(repository, kind, f"{owner}/{name}", "/".join(rest))
                if verb == "tree":
                    return self.answer_tree(repository, path, "/".join(rest), query)
            else:
                kind = "datasets" if parts[0] == "datasets" else "models"
                owner, name, verb, revision, *rest = parts[1:] if kind == "datasets" else parts
                if verb == "resolve":
                    repository = self.find(kind, f"{owner}/{name}")
                    raw_revision = self.path.split("/resolve/")[1].split("/")[0]
                    revision = urllib.parse.unquote(raw_revision)
                    file = urllib.parse.unquote(self.path.split(f"/resolve/{raw_revision}/")[1].split("?")[0])
                    return self.answer_resolve(repository, revision, file)
            self.send(404, b"", {})

        def answer_revision(self, repository, kind, name, revision):
            commit = self.resolve(repository, revision)
            info = {
                "_id": "0" * 24,
                "id": name,
                "sha": commit,
                "private": repository.private,
                "gated": bool(repository.gated) and "manual",
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": [{"rfilename": file} for file in repository.files],
            }
            if repository.card_data is not None:
                info["cardData"] = repository.card_data
            self.send_json(info)

        def answer_tree(self, repository, path, revision, query):
            self.resolve(repository, revision)
            entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "folder"}]
            entries += [repository.tree_entry(file) for file in repository.files] + repository.extra_tree_entries
            begin = int(query.get("cursor", ["0"])[0])
            headers = {}
            if begin + PAGE_FILES < len(entries):
                rest = urllib.parse.urlencode({**{key: value[0] for key, value in query.items()}, "cursor": begin + PAGE_FILES})
                headers["Link"] = f'<{hub.link_base or hub.endpoint}{path}?{rest}>; rel="next"'
            self.send_json(entries[begin : begin + PAGE_FILES], headers)

        def answer_resolve(self, repository, revision, file):
            commit = self.resolve(repository, revision)
            self.check_gate(repository)
            if file not in repository.files:
                self.refuse(404, "EntryNotFound", "Entry not found")
            data, etag = repository.files[file], repository.etag(file)
            headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            if not repository.is_lfs(file):
                return self.send_file(data, {**headers, "ETag": f'"{etag}"'})
            headers |= {
                "X-Linked-Etag": f'"{etag}"',
                "X-Linked-Size": str(len(data)),
                "Location": f"{hub.store}/blobs/{etag}?signature=secret",
            }
            self.send(302, b"Found. Redirecting", headers)

        # --- Sending

        def send_json(self, value, headers=None):
            self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

        def send_file(self, data: bytes, headers: dict):
            asked = self.headers.get("Range")
            if not asked or not hub.has_ranges or self.fault.ignores_range:
                return self.send(200, data, headers, is_blob=True)
            first, last = asked.removeprefix("bytes=").split("-")
            begin, end = int(first), min(int(last) if last else len(data) - 1, len(data) - 1)
            if begin >= len(data):
                return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            self.send(206, data[begin : end + 1], {**headers, "Content-Range": f"bytes {begin}-{end}/{len(data)}"}, is_blob=True)

        def send(self, status: int, body: bytes, headers: dict, is_blob=False):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers, **self.fault.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if self.fault.drip_seconds is not None:
                while body and not hub.stopping:
                    self.wfile.write(body[:1])
                    body = body[1:]
                    time.sleep(self.fault.drip_seconds)
                return
            limit = len(body) if self.fault.break_after is None else self.fault.break_after
            step = 64 << 10
            for begin in range(0, limit, step):
                if is_blob:
                    hub.wait_at_gate()
                piece = body[begin : min(begin + step, limit)]
                self.wfile.write(piece)
                if is_blob:
                    with hub.lock:
                        hub.blob_bytes_sent += len(piece)
            if limit < len(body):
                self.wfile.flush()
                raise Answered  # closes the connection

    return Handler
