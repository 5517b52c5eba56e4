"""schemathesis against the server, by its own document: whatever it sends, no answer is a fault of the server's.

It is looked for at $PELTON_SCHEMATHESIS, in build/peers (scripts/test-peers makes it), and on the path."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT, Server

PROGRAM = (
    os.environ.get("PELTON_SCHEMATHESIS")
    or shutil.which("schemathesis", path=str(ROOT / "build/peers/bin"))
    or shutil.which("schemathesis")
)
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def brief_server():
    """Answers that nobody limits end soon."""
    running = Server("--context", "64", "--max-sequences", "16")
    yield running
    running.kill()


def test_what_is_sent_by_the_document_is_answered(brief_server, tmp_path):
    if PROGRAM is None:
        pytest.skip("no schemathesis: scripts/test-peers gets it")
    command = [PROGRAM, "run", brief_server.url + "/openapi.json", "--checks", CHECKS, "--max-examples", "10", "--seed", "1"]
    command += ["--phases", "examples,fuzzing", "--suppress-health-check", "all", "--request-timeout", "60"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
