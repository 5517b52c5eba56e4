"""What promtool (of Debian's package prometheus) says of /metrics."""

import os
import shutil
import subprocess
import urllib.request

import pytest
from conftest import ROOT, TIMEOUT_S

PROMTOOL = (
    os.environ.get("PELTON_PROMTOOL") or shutil.which("promtool", path=str(ROOT / "build/peers/bin")) or shutil.which("promtool")
)
# vLLM's names, which we keep: a colon in them, and a histogram that ends as counters do.
KEPT = (
    "metric names should not contain ':'",
    'vllm:iteration_tokens_total non-counter metrics should not have "_total" suffix',
)


def test_promtool_finds_no_fault_but_in_vllms_names(server):
    if PROMTOOL is None:
        pytest.skip("no promtool: scripts/test-peers gets it")
    with urllib.request.urlopen(server.url + "/metrics", timeout=TIMEOUT_S) as response:
        text = response.read()
    result = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True)
    lines = (result.stdout + result.stderr).decode().splitlines()
    assert [line for line in lines if not any(kept in line for kept in KEPT)] == []
