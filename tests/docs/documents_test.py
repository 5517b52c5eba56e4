#!/usr/bin/env python3
"""The runner of the documents: what it picks, and that a wrong block fails."""

import pathlib
import tempfile
import unittest

from documents import Block, matches, run_block, tested_blocks

DOCUMENT = """
# Title
```sh
not tested
```
<!-- test -->
```sh
echo one
```

```output
on...
```
Text.
```sh
# test
echo two
```
Text between.
```output
not of the block above
```
```python
# test
print("no shell")
```
"""


class DocumentsTest(unittest.TestCase):
    def run_commands(self, commands: str, output: str | None = None) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            return run_block(Block(1, commands, output), pathlib.Path(folder), {"PATH": "/usr/bin:/bin"})

    def test_picks_the_marked_blocks(self):
        self.assertEqual(tested_blocks(DOCUMENT), [Block(8, "echo one", "on..."), Block(16, "# test\necho two")])

    def test_wildcards(self):
        self.assertTrue(matches("a ... c", "a b\nb c\n"))
        self.assertFalse(matches("a ... c", "a b"))
        self.assertFalse(matches("a.c", "abc"))

    def test_good(self):
        self.assertIsNone(self.run_commands("echo hello", "hel..."))

    def test_failures(self):
        self.assertIn("exit code 1", self.run_commands("echo x; false | cat; echo y"))
        self.assertIn("no output", self.run_commands("echo hidden >&2"))
        self.assertIn("other output", self.run_commands("echo hello", "bye"))

    def test_background_processes_do_not_hold_it_up(self):
        self.assertIsNone(self.run_commands("sleep 1000 & echo started"))


if __name__ == "__main__":
    unittest.main()
