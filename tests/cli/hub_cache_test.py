"""`pelton list` and `pelton rm`; and the cache shared with the real huggingface_hub, in both directions."""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys

import pytest

from conftest import TIMEOUT_S
from pull_test import CARD, LLAMA, add_llama, cache_of


def entries(pelton) -> dict:
    return {entry["name"]: entry for entry in pelton.json("list")["entries"]}


def fill(pelton, hub):
    add_llama(hub)
    hub.add("org/data", {"README.md": "no card", "a.jsonl": "{}"}, kind="datasets")
    assert pelton("pull", "hf:org/llama").returncode == 0
    assert pelton("pull", "dataset:hf:org/data").returncode == 0
    (pelton.folder / "cache/models/mine").mkdir(parents=True)
    (pelton.folder / "cache/models/mine/README.md").write_text(CARD)
    (pelton.folder / "cache/models/broken.gguf").write_text("no GGUF file")


def test_list_shows_both_caches(pelton, hub):
    assert pelton("list").stdout.startswith("Nothing in ")
    assert entries(pelton) == {}
    fill(pelton, hub)
    all_entries = entries(pelton)
    assert list(all_entries) == ["hf:org/llama", "dataset:hf:org/data", "broken", "mine"]
    llama = all_entries["hf:org/llama"]
    assert (llama["cache"], llama["kind"], llama["incomplete_bytes"]) == ("hub", "model", 0)
    [revision] = llama["revisions"]
    assert revision["refs"] == ["main"] and revision["license"] == "apache-2.0" and revision["damaged"] is False
    assert llama["bytes"] == revision["bytes"] == sum(file["bytes"] for file in revision["files"])
    assert all_entries["dataset:hf:org/data"]["revisions"][0]["license"] is None
    assert all_entries["mine"]["license"] == "apache-2.0" and all_entries["broken"]["bytes"] == 12
    text = pelton("list").stdout
    assert "hf:org/llama" in text and "apache-2.0" in text and "not stated" in text and "main" in text


def test_list_shows_what_is_damaged_or_unfinished(pelton, hub):
    add_llama(hub)
    folder = pathlib.Path(pelton.json("pull", "hf:org/llama")["path"])
    (folder / "config.json").resolve().unlink()
    (cache_of(pelton) / "models--org--llama/blobs/0.incomplete").write_bytes(b"x" * 100_000)
    [entry] = entries(pelton).values()
    assert entry["incomplete_bytes"] >= 100_000 and entry["revisions"][0]["damaged"] is True
    assert "damaged" in pelton("list").stdout
    done = pelton("inspect", "hf:org/llama")
    assert done.returncode == 1 and "pelton pull" in done.stderr
    assert pelton("pull", "hf:org/llama").returncode == 0
    assert pelton.json("inspect", "hf:org/llama")["runnable"] is True, "a pull repairs it"


def test_list_survives_what_does_not_belong_there(pelton, hub):
    fill(pelton, hub)
    cache = cache_of(pelton)
    (cache / "models--..--x").mkdir()
    (cache / "models--file--x").write_text("x")
    (cache / "models--org--llama/snapshots/not-a-commit").mkdir()
    (cache / "models--org--llama/refs/dangling").write_text("0" * 40)
    (cache / "models--org--llama/refs/garbage").write_text("x" * 1000)
    [manifest] = (cache / "models--org--llama/.pelton").iterdir()
    manifest.write_text("{")
    assert len(entries(pelton)) == 4
    assert entries(pelton)["hf:org/llama"]["revisions"][0]["license"] == "apache-2.0", "by the card"


def test_rm_asks_first(pelton, hub):
    fill(pelton, hub)
    done = pelton("rm", "hf:org/llama")
    assert done.returncode == 2 and "--yes" in done.stderr and "models--org--llama" in done.stderr
    assert "hf:org/llama" in entries(pelton)
    for answer, is_removed in (("n", False), ("", False), ("y", True)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run([pelton.program, "rm", "hf:org/llama"], stdin=theirs, capture_output=True, text=True,
                              env=pelton.environment, timeout=TIMEOUT_S)  # fmt: skip
        os.close(ours), os.close(theirs)
        assert "[y/N]" in done.stderr
        assert (done.returncode == 0) == is_removed == ("hf:org/llama" not in entries(pelton))


def test_rm_removes_all_of_a_repository(pelton, hub):
    fill(pelton, hub)
    size = entries(pelton)["hf:org/llama"]["bytes"]
    report = pelton.json("rm", "org/llama", "mine", "broken", "--yes")
    assert report["freed_bytes"] == size + len(CARD) + 12
    assert list(entries(pelton)) == ["dataset:hf:org/data"]
    assert not (cache_of(pelton) / "models--org--llama").exists()
    assert pelton("rm", "dataset:hf:org/data", "-y").returncode == 0
    assert entries(pelton) == {}


def test_rm_of_a_revision_keeps_what_another_needs(pelton, hub):
    old = add_llama(hub)
    pelton("pull", "hf:org/llama")
    new = hub.add("org/llama", {**old.files, "README.md": CARD + "better"}, refs={"v2": "?"})
    new.refs["v2"] = new.commit
    assert pelton("pull", "hf:org/llama@v2").returncode == 0
    folder = cache_of(pelton) / "models--org--llama"
    shared = pelton.json("rm", f"hf:org/llama@{old.commit}", "--yes")["freed_bytes"]
    assert shared == len(CARD)
    assert not (folder / f"snapshots/{old.commit}").exists() and not (folder / "refs/main").exists()
    assert not (folder / f".pelton/{old.commit}.json").exists()
    assert pelton.json("inspect", "hf:org/llama@v2")["runnable"] is True
    assert sorted(os.listdir(folder / "blobs")) == sorted(new.etag(name) for name in os.listdir(folder / f"snapshots/{new.commit}"))
    pelton("rm", "hf:org/llama@v2", "--yes")
    assert not folder.exists(), "the last revision takes all with it"


def test_rm_of_one_file(pelton, hub):
    hub.add("org/quants", {"m-Q4.gguf": b"4" * 10, "m-Q8.gguf": b"8" * 20, "same.gguf": b"8" * 20})
    pelton("pull", "hf:org/quants:*.gguf")
    assert pelton.json("rm", "hf:org/quants:m-Q4.gguf", "-y")["freed_bytes"] == 10
    assert pelton.json("rm", "hf:org/quants:m-Q8.gguf", "-y")["freed_bytes"] == 0, "same.gguf needs the blob"
    [entry] = entries(pelton).values()
    assert [file["path"] for file in entry["revisions"][0]["files"]] == ["same.gguf"]
    assert entry["revisions"][0]["damaged"] is False


@pytest.mark.parametrize("name", ["hf:org/nothing", "nothing", "hf:org/llama@v9", "hf:org/llama:*.gguf"])
def test_rm_of_what_is_not_there(pelton, hub, name):
    fill(pelton, hub)
    error = pelton.json("rm", name, "--yes", code=1)["error"]
    assert error["code"] == "not_found"
    assert len(entries(pelton)) == 4


def test_rm_follows_no_link_out_of_the_cache(pelton, hub):
    add_llama(hub)
    snapshot = pathlib.Path(pelton.json("pull", "hf:org/llama")["path"])
    precious = pelton.folder / "precious"
    precious.write_text("x")
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(precious)
    (snapshot / "folder").symlink_to(pelton.folder)
    pelton("rm", "hf:org/llama:config.json", "-y")
    pelton("rm", "hf:org/llama", "-y")
    assert precious.read_text() == "x" and not snapshot.exists()


# --- The real huggingface_hub


def python(pelton, code: str, **variables) -> str:
    if subprocess.run([sys.executable, "-c", "import huggingface_hub"], capture_output=True).returncode != 0:
        pytest.skip("no huggingface_hub: scripts/test-venv installs it")
    environment = {**pelton.environment, "HF_HUB_DISABLE_TELEMETRY": "1", **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_huggingface_hub_fetched_is_found(pelton, hub):
    repository = add_llama(hub, card_data={"license": "mit"})
    code = "import huggingface_hub as h; print(h.snapshot_download('org/llama', ignore_patterns='*.bin'))"
    path = python(pelton, code)
    assert path.endswith(repository.commit)
    hub.requests.clear()
    facts = pelton.json("inspect", "hf:org/llama")
    assert facts["path"] == path and facts["runnable"] is True and hub.requests == []
    [entry] = entries(pelton).values()
    assert entry["revisions"][0]["license"] == "apache-2.0" and entry["revisions"][0]["refs"] == ["main"]
    report = pelton.json("pull", "hf:org/llama")
    assert report["missing_bytes"] == report["transferred_bytes"] == 0, "pelton fetches none of it again"
    assert pelton("rm", "hf:org/llama", "-y").returncode == 0
    assert python(pelton, "import huggingface_hub as h; print(len(h.scan_cache_dir().repos))") == "0"


def test_huggingface_hub_finds_what_was_pulled(pelton, hub):
    repository = add_llama(hub)
    path = pelton.json("pull", "hf:org/llama")["path"]
    hub.requests.clear()
    code = (
        "import huggingface_hub as h, json\n"
        "print(h.snapshot_download('org/llama', local_files_only=True))\n"
        "print(h.hf_hub_download('org/llama', 'model.safetensors', local_files_only=True))\n"
        "print(h.try_to_load_from_cache('org/llama', 'config.json'))\n"
        "info = h.scan_cache_dir()\n"
        "print(json.dumps([len(info.warnings), [(r.repo_id, r.nb_files, r.size_on_disk) for r in info.repos]]))\n"
    )
    snapshot, weights, config, scan = python(pelton, code, HF_HUB_OFFLINE="1").splitlines()
    assert (snapshot, weights, config) == (path, f"{path}/model.safetensors", f"{path}/config.json")
    sizes = sum(len(repository.files[name]) for name in os.listdir(path))
    assert json.loads(scan) == [0, [["org/llama", 4, sizes]]]
    assert hub.requests == []


def test_huggingface_hub_fetches_only_the_rest(pelton, hub):
    repository = add_llama(hub)
    pelton.json("pull", "hf:org/llama")
    hub.requests.clear()
    python(pelton, "import huggingface_hub as h; h.snapshot_download('org/llama')")
    fetched = {request["path"].rsplit("/")[-1] for request in hub.requests if request["method"] == "GET" and "resolve" in request["path"]}
    assert fetched <= {"modeling.py", "model.onnx", "a.txt", "pytorch_model.bin"}
    [entry] = entries(pelton).values()
    assert len(entry["revisions"][0]["files"]) == len(repository.files)


def test_a_dataset_for_huggingface_hub(pelton, hub):
    hub.add("org/data", {"README.md": CARD, "a.jsonl": "{}"}, kind="datasets")
    path = pelton.json("pull", "dataset:hf:org/data")["path"]
    code = "import huggingface_hub as h; print(h.snapshot_download('org/data', repo_type='dataset', local_files_only=True))"
    assert python(pelton, code, HF_HUB_OFFLINE="1") == path


def test_blobs_that_huggingface_hub_shares_between_repositories(pelton, hub):
    add_llama(hub)
    snapshot = pathlib.Path(pelton.json("pull", "hf:org/llama")["path"])
    blob = (snapshot / "model.safetensors").resolve()
    store = cache_of(pelton) / "blobs/ab"
    store.mkdir(parents=True)
    shared = store / ("ab" + "0" * 62)
    shutil.move(blob, shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    assert pelton.json("inspect", "hf:org/llama")["runnable"] is True
    assert pelton.json("pull", "hf:org/llama")["missing_bytes"] == 0
    report = pelton.json("rm", "hf:org/llama", "-y")
    assert report["shared_bytes"] == len(LLAMA["model.safetensors"]) and shared.exists()
    assert not (cache_of(pelton) / "models--org--llama").exists()


def test_the_cache_can_move(pelton, hub):
    add_llama(hub)
    pelton("pull", "hf:org/llama")
    shutil.move(pelton.folder / ".cache/huggingface", pelton.folder / "elsewhere")
    assert pelton.json("inspect", "hf:org/llama", env={"HF_HOME": str(pelton.folder / "elsewhere")})["runnable"] is True
    assert pelton.json("inspect", "hf:org/llama", env={"HF_HUB_CACHE": str(pelton.folder / "elsewhere/hub")})["runnable"] is True
