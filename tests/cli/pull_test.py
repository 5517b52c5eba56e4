"""`pelton pull`: what comes, where it lies, and what a name then means to the other commands."""

import hashlib
import json
import os
import pathlib
import random

import pytest

from conftest import GOLDEN
from fake_hub import git_sha1

CARD = "---\nlicense: apache-2.0\n---\n# A model\n"
LLAMA = {name: (GOLDEN / "arch/llama" / name).read_bytes() for name in ("config.json", "model.safetensors")}


def random_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


def cache_of(pelton) -> pathlib.Path:
    return pelton.folder / ".cache/huggingface/hub"


def add_llama(hub, name="org/llama", **options):
    files = {**LLAMA, "README.md": CARD, "tokenizer_config.json": "{}", "pytorch_model.bin": b"pickle", "modeling.py": "evil()"}
    return hub.add(name, {**files, "onnx/model.onnx": b"x", "runs/a.txt": "x"}, **options)


def test_a_model_comes_in_the_hubs_own_layout(pelton, hub):
    repository = add_llama(hub)
    done = pelton("pull", "hf:org/llama")
    assert done.returncode == 0, done.stderr
    folder = cache_of(pelton) / "models--org--llama"
    snapshot = folder / "snapshots" / repository.commit
    assert done.stdout == f"{snapshot}\n"
    assert sorted(os.listdir(snapshot)) == ["README.md", "config.json", "model.safetensors", "tokenizer_config.json"]
    for path in snapshot.iterdir():
        assert path.read_bytes() == repository.files[path.name]
        assert os.readlink(path) == f"../../blobs/{repository.etag(path.name)}", "relative, so that the cache can move"
    assert (folder / "refs/main").read_text() == repository.commit
    assert sorted(os.listdir(folder / "blobs")) == sorted(repository.etag(name) for name in os.listdir(snapshot))
    assert "apache-2.0" in pelton("list").stdout
    assert "pytorch_model.bin" in done.stderr and "can run code" in done.stderr
    fetched = [path for path in hub.paths() if "/resolve/" in path]
    assert len(fetched) == 4 and not any(path.endswith((".bin", ".py", ".onnx")) for path in fetched)


def test_the_manifest_says_what_came_from_where(pelton, hub):
    repository = add_llama(hub, card_data={"license": "other", "license_name": "llama3.2", "license_link": "LICENSE"})
    assert "other (llama3.2)" in pelton("pull", "hf:org/llama:config.json").stderr
    pelton("pull", "hf:org/llama:model.safetensors")
    manifest = json.loads((cache_of(pelton) / f"models--org--llama/.pelton/{repository.commit}.json").read_text())
    assert manifest["kind"] == "model" and manifest["repository"] == "org/llama" and manifest["revision"] == "main"
    assert manifest["commit"] == repository.commit and manifest["endpoint"] == hub.endpoint
    assert (manifest["license"], manifest["license_name"], manifest["license_link"]) == ("other", "llama3.2", "LICENSE")
    assert manifest["files"] == [
        {"path": path, "bytes": len(LLAMA[path]), "blob": repository.etag(path)} for path in sorted(LLAMA)
    ], "the second pull added to it"


def test_what_is_there_does_not_come_again(pelton, hub):
    add_llama(hub)
    pelton("pull", "hf:org/llama")
    hub.requests.clear()
    report = pelton.json("pull", "hf:org/llama")
    assert report["transferred_bytes"] == report["missing_bytes"] == 0 < report["total_bytes"]
    assert all(path.startswith("/api/") for path in hub.paths())


def test_a_new_commit_fetches_what_changed_and_the_old_one_stays(pelton, hub):
    old = add_llama(hub)
    pelton("pull", "hf:org/llama")
    new = hub.add("org/llama", {**old.files, "README.md": CARD + "Now better."})
    new.refs["old"] = old.commit
    hub.requests.clear()
    report = pelton.json("pull", "hf:org/llama")
    assert report["commit"] == new.commit
    assert [path for path in hub.paths() if "/resolve/" in path] == [f"/org/llama/resolve/{new.commit}/README.md"]
    assert (cache_of(pelton) / f"models--org--llama/snapshots/{old.commit}/README.md").read_text() == CARD


def test_json_reports_the_pull(pelton, hub):
    repository = add_llama(hub)
    report = pelton.json("pull", "hf:org/llama")
    assert report["name"] == "hf:org/llama" and report["commit"] == repository.commit
    assert report["path"].endswith(repository.commit) and report["offline"] is False
    assert report["license"] == "apache-2.0", "from the card, where the hub does not say"
    assert report["transferred_bytes"] == report["total_bytes"] == sum(file["bytes"] for file in report["files"])
    assert {"path": "config.json", "bytes": len(LLAMA["config.json"]), "blob": git_sha1(LLAMA["config.json"])} in report["files"]


def test_quiet_says_nothing_but_the_path(pelton, hub):
    add_llama(hub)
    done = pelton("pull", "-q", "hf:org/llama")
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1


def test_dry_run_lists_and_writes_nothing(pelton, hub):
    add_llama(hub)
    done = pelton("pull", "--dry-run", "hf:org/llama")
    assert done.returncode == 0 and "model.safetensors" in done.stdout and "KiB" in done.stdout
    assert not cache_of(pelton).exists()
    assert not any("/resolve/" in path for path in hub.paths())


def test_revisions_tags_and_pull_requests(pelton, hub):
    repository = add_llama(hub)
    repository.refs |= {"v1.0": repository.commit, "refs/pr/1": repository.commit}
    for revision in ("v1.0", "refs/pr/1", repository.commit):
        report = pelton.json("pull", f"hf:org/llama:config.json@{revision}")
        assert report["commit"] == repository.commit
    refs = cache_of(pelton) / "models--org--llama/refs"
    assert (refs / "refs/pr/1").read_text() == (refs / "v1.0").read_text() == repository.commit
    assert not (refs / "main").exists()
    assert any("revision/refs%2Fpr%2F1" in request["raw"] for request in hub.requests)
    assert "has revision refs/pr/1, v1.0" in pelton("inspect", "hf:org/llama").stderr


def test_a_glob_brings_only_what_it_matches(pelton, hub):
    hub.add("org/quants", {"README.md": CARD, "m-Q4_K_M.gguf": b"4" * 100, "m-Q8_0.gguf": b"8" * 100, "m.bin": b"p"})
    report = pelton.json("pull", "hf:org/quants:*Q4_K_M.gguf")
    assert [file["path"] for file in report["files"]] == ["m-Q4_K_M.gguf"]
    assert report["path"].endswith("/m-Q4_K_M.gguf"), "a file to run"
    assert [file["path"] for file in pelton.json("pull", "org/quants:q8_0")["files"]] == ["m-Q8_0.gguf"]
    error = pelton.json("pull", "hf:org/quants", code=1)["error"]
    assert error["code"] == "invalid_argument" and "hf:org/quants:m-Q4_K_M.gguf" in error["message"]
    error = pelton.json("pull", "hf:org/quants:*Q2*", code=1)["error"]
    assert error["code"] == "not_found" and "*Q2*" in error["message"] and "m-Q8_0.gguf" in error["message"]


def test_many_files_in_folders_with_odd_names(pelton, hub):
    files = {f"data/part {i} ü+%23?.jsonl": f"{{{i}}}" for i in range(12)}
    hub.add("org/data", {**files, "README.md": CARD}, kind="datasets")
    hub.link_base = "https://hub.invalid"  # the pages are asked for where the first one was
    report = pelton.json("pull", "dataset:hf:org/data")
    for path, text in files.items():
        assert (pathlib.Path(report["path"]) / path).read_text() == text
        assert os.readlink(pathlib.Path(report["path"]) / path).startswith("../../../blobs/")


def test_the_same_bytes_under_two_names_come_once(pelton, hub):
    hub.add("org/twins", {"config.json": "{}", "a.safetensors": b"w" * 1000, "b.safetensors": b"w" * 1000})
    report = pelton.json("pull", "hf:org/twins")
    assert report["transferred_bytes"] == 1002
    assert (pathlib.Path(report["path"]) / "b.safetensors").read_bytes() == b"w" * 1000


def test_an_empty_file(pelton, hub):
    hub.add("org/empty", {"config.json": "", "model.safetensors": b""})
    report = pelton.json("pull", "hf:org/empty")
    assert (pathlib.Path(report["path"]) / "config.json").read_bytes() == b""


def test_datasets(pelton, hub):
    repository = hub.add(
        "org/data", {"README.md": CARD, "train.parquet": b"PAR1", "b.jsonl": "{}", "c.csv": "x", "load.py": "x"}, kind="datasets"
    )
    report = pelton.json("pull", "dataset:hf:org/data")
    assert [file["path"] for file in report["files"]] == ["README.md", "b.jsonl", "train.parquet"]
    assert report["license"] == "apache-2.0"
    assert report["path"] == str(cache_of(pelton) / f"datasets--org--data/snapshots/{repository.commit}")
    assert f"/datasets/org/data/resolve/{repository.commit}/b.jsonl" in hub.paths()
    error = pelton.json("run", "-m", "dataset:hf:org/data", "Hi", code=1)["error"]
    assert "data set" in error["message"]


def test_large_files_come_in_parallel_ranges(pelton, hub):
    data = random_bytes(21 << 20)
    hub.add("org/large", {"config.json": "{}", "model.safetensors": data})
    report = pelton.json("pull", "hf:org/large", "--connections", 4)
    assert (pathlib.Path(report["path"]) / "model.safetensors").read_bytes() == data
    ranges = [request["range"] for request in hub.requests if request["server"] == "store"]
    assert len(ranges) == len(set(ranges)) == 6 and all(ranges), "each part once"
    asks = [path for path in hub.paths("hub") if path.endswith("model.safetensors")]
    assert len(asks) == 1, "the others knew where the store is"
    assert report["transferred_bytes"] == hub.blob_bytes_sent == len(data) + 2


def test_progress_is_a_line_now_and_then(pelton, hub):
    add_llama(hub)
    lines = pelton("pull", "hf:org/llama").stderr.splitlines()
    assert any("100 %" in line for line in lines) and len(lines) < 8
    assert "\r" not in "".join(lines)


# --- What a name then means


def test_a_pulled_model_is_a_model(pelton, hub):
    add_llama(hub)
    path = pelton.json("pull", "hf:org/llama")["path"]
    hub.requests.clear()
    for name in ("hf:org/llama", "org/llama", "hf:org/llama@main"):
        facts = pelton.json("inspect", name)
        assert facts["runnable"] is True and facts["path"] == path
    report = pelton.json("verify", "--model", "hf:org/llama", "--expected", GOLDEN / "arch/llama/expected.safetensors")
    assert report["passed"] is True
    assert hub.requests == [], "a model's name never reaches the network"


@pytest.mark.parametrize("name", ["hf:org/nothing", "org/nothing", "hf:org/nothing:*.gguf@v2"])
def test_what_is_not_there_is_not_fetched_behind_ones_back(pelton, hub, name):
    done = pelton("run", "-m", name, "Hi")
    assert done.returncode == 1
    full = name if name.startswith("hf:") else f"hf:{name}"
    assert f"`pelton pull {full}`" in done.stderr and done.stderr.count("\n") == 1
    assert hub.requests == []


def test_of_several_gguf_files_one_must_be_named(pelton, hub, model):
    data = pathlib.Path(model).read_bytes()
    hub.add("org/quants", {"m-Q4.gguf": data, "m-Q8.gguf": b"not this one"})
    pelton.json("pull", "hf:org/quants:*.gguf")
    error = pelton.json("inspect", "hf:org/quants", code=1)["error"]
    assert "m-Q4.gguf" in error["message"] and "hf:org/quants:" in error["message"]
    assert pelton.json("inspect", "hf:org/quants:*Q4.gguf")["runnable"] is True
    done = pelton.json("run", "-m", "hf:org/quants:m-Q4.gguf", "Hi", "--max-tokens", 2)
    assert done["model"] == "m-Q4"
    assert "m-Q8.gguf" in pelton("inspect", "hf:org/quants:*Q2*").stderr


# --- Tokens


def store_tokens(hub):
    return {request["authorization"] for request in hub.requests if request["server"] == "store"}


def hub_tokens(hub):
    return {request["authorization"] for request in hub.requests if request["server"] == "hub"}


def test_the_token_goes_to_the_hub_and_nowhere_else(pelton, hub):
    add_llama(hub, private=True)
    done = pelton("pull", "hf:org/llama", env={"HF_TOKEN": hub.TOKEN})
    assert done.returncode == 0, done.stderr
    assert hub_tokens(hub) == {f"Bearer {hub.TOKEN}"} and store_tokens(hub) == {None}
    assert hub.TOKEN not in done.stdout + done.stderr
    files = [path for path in cache_of(pelton).rglob("*") if path.is_file()]
    assert files and not any(hub.TOKEN.encode() in path.read_bytes() for path in files)


def test_the_token_file_of_hf_auth_login(pelton, hub):
    add_llama(hub, gated=True)
    (pelton.folder / "home").mkdir()
    (pelton.folder / "home/token").write_text(hub.TOKEN + "\n")
    assert pelton("pull", "hf:org/llama", env={"HF_HOME": str(pelton.folder / "home")}).returncode == 0
    assert (pelton.folder / "home/hub/models--org--llama/refs/main").exists()
    assert hub_tokens(hub) == {f"Bearer {hub.TOKEN}"} and store_tokens(hub) == {None}


# --- Addresses


def test_an_address_of_the_hub_is_its_repository(pelton, hub):
    repository = hub.add("org/quants", {"m-Q4.gguf": b"4", "m-Q8.gguf": b"8"})
    report = pelton.json("pull", f"{hub.endpoint}/org/quants/resolve/main/m-Q4.gguf?download=true")
    assert report["name"] == "hf:org/quants:m-Q4.gguf@main" and report["commit"] == repository.commit
    assert [file["path"] for file in report["files"]] == ["m-Q4.gguf"]


def put(hub, path, data, **headers):
    hub.files[path] = (data, headers)
    return hub.store + path


def test_a_gguf_file_by_its_address(pelton, hub, model):
    data = pathlib.Path(model).read_bytes()
    url = put(hub, "/files/Tiny-Model.Q4.gguf", data, ETag='"v1"')
    checksum = hashlib.sha256(data).hexdigest()
    report = pelton.json("pull", url + "?key=secret", "--sha256", checksum.upper())
    assert report["path"] == str(pelton.folder / "cache/models/Tiny-Model.Q4.gguf")
    assert report["files"][0]["blob"] == checksum and report["transferred_bytes"] == len(data)
    assert pelton.json("inspect", "Tiny-Model.Q4")["runnable"] is True
    manifest = (pelton.folder / "cache/manifests/Tiny-Model.Q4.json").read_text()
    assert json.loads(manifest)["url"] == url and json.loads(manifest)["sha256"] == checksum and "secret" not in manifest
    assert store_tokens(hub) == {None}
    assert pelton.json("pull", url)["transferred_bytes"] == 0, "it is there"
    assert list((pelton.folder / "cache/downloads").glob("*.gguf*")) == []
    put(hub, "/files/Tiny-Model.Q4.gguf", data + b"x", ETag='"v2"')
    error = pelton.json("pull", url, code=1)["error"]
    assert "pelton rm Tiny-Model.Q4" in error["message"] and "--name" in error["message"]
    assert pelton.json("pull", url, "--name", "other")["path"].endswith("/models/other.gguf")


def test_what_is_no_gguf_file_is_thrown_away(pelton, hub):
    url = put(hub, "/page.gguf", b"<html>Please log in</html>", ETag='"v1"')
    error = pelton.json("pull", url, code=1)["error"]
    assert error["code"] == "corrupt_file" and "no GGUF file" in error["message"]
    assert list((pelton.folder / "cache/models").iterdir()) == []
    url = put(hub, "/x.gguf", b"GGUF" * 10)
    error = pelton.json("pull", url, "--sha256", "0" * 64, code=1)["error"]
    assert error["code"] == "corrupt_file" and "0" * 64 in error["message"]
    assert list((pelton.folder / "cache/downloads").glob("*.gguf*")) == []


@pytest.mark.parametrize(
    "url, text",
    [
        ("http://example.invalid/m.gguf", "plain http"),
        ("https://example.invalid/m.bin", "run code"),
        ("https://example.invalid/m.safetensors", "only GGUF"),
        ("https://me:secret@example.invalid/m.gguf", "user name"),
        ("ftp://example.invalid/m.gguf", "neither https"),
        ("https://example.invalid/%20.gguf", "--name"),
    ],
)
def test_addresses_that_are_not_fetched(pelton, hub, url, text):
    done = pelton("pull", url)
    assert done.returncode == 1 and text in done.stderr and "secret" not in done.stderr
    assert hub.requests == []


# --- Bad usage


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["../x/y"], ["hf:a/b", "--connections", "0"], ["hf:a/b", "--sha256", "12"], ["hf:a/b", "--retries", "-1"],
     ["hf:a/b", "--name", "x"]],
)  # fmt: skip
def test_bad_usage(pelton, hub, arguments):
    assert pelton("pull", *arguments).returncode == 2
    assert hub.requests == []


@pytest.mark.parametrize("name", ["hf:../../x", "hf:a/b@../../x", "hf:a/b:", "dataset:hf:", "hf:a/../b"])
def test_names_that_could_leave_the_cache(pelton, hub, name):
    done = pelton("pull", name)
    assert done.returncode == 1 and "hf:ORG/NAME" in done.stderr
    assert hub.requests == [] and not cache_of(pelton).exists()
