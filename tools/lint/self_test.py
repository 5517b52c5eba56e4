#!/usr/bin/env python3
"""The linters find what they are for: each is run on a small bad project, and on a good one."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
TABLE = "base :\ntext : base\nserver : text base\n<dnnl : base\n"


class LintTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.write("tools/lint/layers.txt", TABLE)
        self.write("src/CMakeLists.txt", "pelton_module(base)\npelton_module(text DEPENDS base LINK x)\n")

    def write(self, name: str, text: str):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_lint(self, script: str, argument: pathlib.Path) -> tuple[int, str]:
        done = subprocess.run([sys.executable, str(HERE / script), str(argument)], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def assert_finds(self, script: str, *messages: str):
        code, output = self.run_lint(script, self.root)
        self.assertEqual(code, 1, output)
        for message in messages:
            self.assertIn(message, output)
        self.assertEqual(len(output.splitlines()), len(messages) + 1, output)

    def assert_clean(self, script: str):
        self.assertEqual(self.run_lint(script, self.root)[0], 0, self.run_lint(script, self.root)[1])


class LayersTest(LintTest):
    def test_good(self):
        self.write("src/text/a.cc", '#include "text/a.h"\n#include <vector>\n#include "base/b.h"\n')
        self.write("src/base/b.cc", "#include <dnnl.hpp>\n")
        self.assert_clean("layers.py")

    def test_upward_include(self):
        self.write("src/base/a.cc", '\n#include "text/a.h"\n')
        self.assert_finds("layers.py", "src/base/a.cc:2: base may not include text")

    def test_relative_include(self):
        self.write("src/text/a.cc", '#include "a.h"\n#include "../base/b.h"\n')
        self.assert_finds("layers.py", "src/text/a.cc:1: ", "src/text/a.cc:2: ")

    def test_unknown_folder(self):
        self.write("src/misc/a.h", "")
        self.assert_finds("layers.py", "src/misc is no module")

    def test_outside_header(self):
        self.write("src/text/a.cc", "#include <dnnl.hpp>\n")
        self.assert_finds("layers.py", '"dnnl.hpp" is only for base')

    def test_cycle(self):
        self.write("tools/lint/layers.txt", "base : text\ntext : base\nserver : base\n")
        self.assert_finds("layers.py", "a cycle among base, server, text")

    def test_undefined_module(self):
        self.write("tools/lint/layers.txt", TABLE + "nn : tensor\n")
        self.assert_finds("layers.py", "nn may include tensor, which the table does not define")

    def test_link_against_the_table(self):
        self.write("src/CMakeLists.txt", "pelton_module(text DEPENDS server\n  base)\n")
        self.assert_finds("layers.py", "text links server")


class TextTest(LintTest):
    def test_good(self):
        self.write("src/base/a.cc", "// TOD" "O(#12): later\n" * 800)
        self.write("src/base/b.cc", "// Past 800 lines because it is a table.\n" + "\n" * 900)
        self.assert_clean("text.py")

    def test_long_file(self):
        self.write("src/base/a.cc", "\n" * 801)
        self.assert_finds("text.py", "src/base/a.cc: 801 lines")

    def test_words(self):
        self.write("src/base/a.cc", "// TOD" "O: later\n// FIX" "ME\n")
        self.write("README.md", "see /ro" "ot/notes\n<<<<<" "<< ours\n")
        self.assert_finds("text.py", "a.cc:1: ", "a.cc:2: ", "README.md:1: ", "README.md:2: ")


@unittest.skipUnless(shutil.which("g++") and shutil.which("nm"), "needs g++ and nm")
class IsaSymbolsTest(LintTest):
    def compile(self, code: str):
        self.write("dot_avx2.cc", code)
        command = f"g++ -O0 -c {self.root}/dot_avx2.cc -o dot_avx2.cc.o"
        subprocess.run(command.split(), cwd=self.root, check=True)
        self.write("compile_commands.json", json.dumps([{"file": f"{self.root}/dot_avx2.cc", "command": command}]))

    def test_good(self):
        self.compile("static int twice(int x) { return 2 * x; }\nint dot(int x) { return twice(x); }\n")
        self.assert_clean("isa_symbols.py")

    def test_weak(self):
        self.compile("inline int twice(int x) { return 2 * x; }\nint dot(int x) { return twice(x); }\n")
        self.assert_finds("isa_symbols.py", "weak symbol twice(int)")

    def test_two_strong(self):
        self.compile("int a() { return 1; }\nint b() { return 2; }\n")
        self.assert_finds("isa_symbols.py", "2 strong symbols, expected 1: a(), b()")

    def test_no_strong(self):
        self.compile("static int a() { return 1; }\nstatic int b = a();\n")
        self.assert_finds("isa_symbols.py", "0 strong symbols")

    def test_source_of_another_processor(self):
        self.compile("#if defined(__another__)\nint dot(int x) { return x; }\n#endif\n")
        self.assertEqual(self.run_lint("isa_symbols.py", self.root)[0], 77)

    def test_nothing_to_check(self):
        self.write("compile_commands.json", "[]")
        self.assertEqual(self.run_lint("isa_symbols.py", self.root)[0], 77)


if __name__ == "__main__":
    unittest.main()
