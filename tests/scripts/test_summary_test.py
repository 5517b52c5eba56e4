#!/usr/bin/env python3
"""scripts/test_summary.py: it counts cases, and no failure, crash or skip slips through."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/test_summary.py"
PASSED = '<testcase name="base" status="run"/>'
FAILED = '<testcase name="base" status="fail"><failure message=""/></testcase>'


class TestSummaryTest(unittest.TestCase):
    def summary(self, ctest: str, cases: str | None = None, require_all: bool = True) -> tuple[int, str, str]:
        """(exit code, what is printed, the summary)"""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "ctest.xml").write_text(f"<testsuite>{ctest}</testsuite>")
            if cases is not None:
                (folder / "test_base.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
            environment = {**os.environ, "PELTON_REQUIRE_ALL_TESTS": "1" if require_all else "0"}
            done = subprocess.run(
                [sys.executable, str(SCRIPT), name], env=environment, capture_output=True, text=True
            )
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout, (folder / "summary.txt").read_text().strip()

    def test_counts_cases(self):
        cases = '<testcase name="a" status="run"/><testcase name="b" status="run"/>'
        self.assertEqual(self.summary(PASSED, cases), (0, "", "2 passed, 0 failed"))

    def test_a_program_without_cases_counts_as_one(self):
        self.assertEqual(self.summary(PASSED)[2], "1 passed, 0 failed")

    def test_failed_case(self):
        code, output, summary = self.summary(FAILED, '<testcase name="a"><failure/></testcase><testcase name="b"/>')
        self.assertEqual((code, summary), (1, "1 passed, 1 failed"))
        self.assertIn("FAILED: base.a", output)

    def test_program_that_died_before_it_wrote_its_cases(self):
        self.assertEqual(self.summary(FAILED)[::2], (1, "0 passed, 1 failed"))

    def test_program_that_failed_after_its_cases_passed(self):
        self.assertEqual(self.summary(FAILED, '<testcase name="a"/>')[::2], (1, "1 passed, 1 failed"))

    def test_skips(self):
        for_the_model = '<testcase name="a"><skipped message="no demo model"/></testcase><testcase name="b"/>'
        for_the_cpu = '<testcase name="a"><skipped message="this CPU has no AVX-512"/></testcase><testcase name="b"/>'
        self.assertEqual(self.summary(PASSED, for_the_model)[::2], (1, "1 passed, 1 failed"))
        self.assertEqual(self.summary(PASSED, for_the_model, False)[::2], (0, "1 passed, 0 failed, 1 skipped"))
        self.assertEqual(self.summary(PASSED, for_the_cpu)[::2], (0, "1 passed, 0 failed, 1 skipped"))

    def test_skipped_program_says_why(self):
        skipped = '<testcase name="base" status="notrun"><skipped/><system-out>skipped: no venv\n</system-out></testcase>'
        code, output, summary = self.summary(skipped)
        self.assertEqual((code, summary), (1, "0 passed, 1 failed"))
        self.assertIn("skipped: base: skipped: no venv", output)

    def test_no_test_at_all_is_no_success(self):
        self.assertEqual(self.summary("")[0], 1)


if __name__ == "__main__":
    unittest.main()
