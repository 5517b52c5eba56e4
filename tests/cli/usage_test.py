"""Help, version, and what happens when a command line or a file is wrong."""

import json
import re
import subprocess

import pytest

from conftest import GOLDEN, ROOT, TIMEOUT_S

COMMANDS = ["run", "chat", "serve", "pull", "list", "rm", "inspect", "verify", "convert", "tokenize", "render"]
RUNS_A_MODEL = ["run", "chat", "serve", "verify"]


def test_alone_it_prints_its_help(pelton):
    done = pelton()
    assert done.returncode == 2
    assert all(re.search(rf"^  {command} ", done.stderr, re.MULTILINE) for command in COMMANDS)


def test_version_is_the_projects(pelton):
    version = re.search(r"project\(pelton VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    done = pelton("--version")
    assert (done.returncode, done.stdout) == (0, f"pelton {version}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(pelton, command):
    done = pelton(command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    examples = done.stdout.split("Examples:\n")[1]
    assert 2 <= examples.count(f"pelton {command} ") <= 6
    assert "--json" in done.stdout
    assert "SUBCOMMAND" not in done.stdout


@pytest.mark.parametrize("command", RUNS_A_MODEL)
def test_whatever_runs_a_model_lets_choose_threads_and_precision(pelton, command):
    text = pelton(command, "--help").stdout
    for option in ("--model", "--threads", "--activations {int8,f32}", "--kv-type {f32,bf16,int8}"):
        assert option in text


BAD_USAGE = [
    ["dance"],
    ["run", "-m", "x", "--no-such-option"],
    ["run", "prompt"],  # no model
    ["chat"],
    ["serve"],
    ["verify", "--model", "x"],
    ["inspect"],
    ["inspect", "a", "b"],
    ["convert", "a"],
    ["convert", "a", "b", "--threads", "0"],
    ["inspect", "x", "--json", "--template"],
    ["run", "-m", "x", "p", "--threads", "0"],
    ["run", "-m", "x", "p", "--threads", "two"],
    ["run", "-m", "x", "p", "--activations", "int4"],
    ["run", "-m", "x", "p", "--kv-type", "f16"],
    ["run", "-m", "x", "p", "--context", "0"],
    ["run", "-m", "x", "p", "--kv-memory", "much"],
    ["run", "-m", "x", "p", "--temperature", "-1"],
    ["run", "-m", "x", "p", "--temperature", "nan"],
    ["run", "-m", "x", "p", "--top-k", "-2"],
    ["run", "-m", "x", "p", "--top-p", "0"],
    ["run", "-m", "x", "p", "--top-p", "1.01"],
    ["run", "-m", "x", "p", "--min-p", "-0.1"],
    ["run", "-m", "x", "p", "--repetition-penalty", "0"],
    ["run", "-m", "x", "p", "--frequency-penalty", "2.1"],
    ["run", "-m", "x", "p", "--presence-penalty", "-2.1"],
    ["run", "-m", "x", "p", "--seed", "-9223372036854775809"],
    ["run", "-m", "x", "p", "--seed", "18446744073709551616"],
    ["run", "-m", "x", "p", "--stop", ""],
    ["run", "-m", "x", "p", "--max-tokens", "0"],
    ["run", "-m", "x", "p", "--logprobs", "21", "--json"],
    ["run", "-m", "x", "p", "--logprobs", "3"],  # nowhere to show them
    ["run", "-m", "x", "p", "--text", "t"],
    ["run", "-m", "x", "p", "--messages", "m.json"],
    ["run", "-m", "x", "p", "--no-parse-special"],
    ["run", "-m", "x", "--text", "t", "--system", "s"],
    ["chat", "-m", "x", "--top-p", "2"],
    ["chat", "-m", "x", "--logprobs", "1"],
    ["serve", "-m", "x", "--port", "65536"],
    ["serve", "-m", "x", "--max-sequences", "0"],
    ["serve", "-m", "x", "--drain-seconds", "nan"],
    ["serve", "-m", "x", "--drain-seconds", "-1"],
    ["serve", "-m", "x", "--drain-seconds", "inf"],
    ["serve", "-m", "x", "--name", ""],
    ["serve", "-m", "x", "--name", "a\tb"],
    ["serve", "-m", "x", "--host", ""],
    ["serve", "-m", "x", "--queue", "0"],
    ["verify", "--model", "x", "--expected", "y", "--tolerance", "0"],
    ["verify", "--model", "x", "--expected", "y", "--tolerance", "nan"],
    ["verify", "--model", "x", "--expected", "y", "--tolerance", "inf"],
]


@pytest.mark.parametrize("arguments", BAD_USAGE, ids=" ".join)
def test_bad_usage_exits_with_2_and_one_clear_line(pelton, arguments):
    done = pelton(*arguments)
    assert done.returncode == 2, done.stderr
    error, *hint = done.stderr.splitlines()
    assert error.startswith("pelton: error: ")
    assert hint in ([], ["Try 'pelton --help'."], [f"Try 'pelton {arguments[0]} --help'."])
    if "--json" in arguments:
        assert json.loads(done.stdout)["error"]["code"] == "usage"
    else:
        assert done.stdout == ""


@pytest.mark.parametrize("option, value", [("--queue", "0"), ("--drain-seconds", "nan"), ("--name", ""), ("--host", "")])
def test_serve_names_the_option_that_is_wrong(pelton, option, value):
    assert option in pelton("serve", "-m", "x", option, value).stderr


def test_an_error_is_json_where_json_was_asked_for(pelton):
    error = pelton.json("run", "-m", "no-such-model", "Hi", code=1)["error"]
    assert error["code"] == "not_found"
    assert "no-such-model" in error["message"]


@pytest.mark.parametrize(
    "arguments, code",
    [(["run", "-m", b"\xff/\xfe", "Hi"], 1), (["inspect", b"\xff"], 1), (["run", "-m", "x", "Hi", b"--\xff"], 2)],
)
def test_an_error_is_valid_json_whatever_it_quotes(pelton, arguments, code):
    done = subprocess.run([pelton.program, *arguments, "--json"], capture_output=True, env=pelton.environment, timeout=TIMEOUT_S)
    assert done.returncode == code
    assert "\ufffd" in json.loads(done.stdout.decode())["error"]["message"]
    assert "\ufffd" in done.stderr.decode()


def make_bad_models(folder, good_model):
    good = open(good_model, "rb").read(4 << 20)
    bad = {
        "empty.gguf": b"",
        "garbage.gguf": b"this is no model" * 1000,
        "magic-only.gguf": b"GGUF",
        "truncated.gguf": good,
        "huge-counts.gguf": good[:8] + b"\xff" * 16 + good[24:],
        "version-9.gguf": good[:4] + b"\x09\0\0\0" + good[8:],
    }
    for name, contents in bad.items():
        (folder / name).write_bytes(contents)
    (folder / "no-config").mkdir()
    (folder / "bad-config").mkdir()
    (folder / "bad-config/config.json").write_text('{"model_type": ')
    (folder / "no-weights").mkdir()
    (folder / "no-weights/config.json").write_text((GOLDEN / "arch/llama/config.json").read_text())
    return [*bad, "no-config", "bad-config", "missing.gguf"]


def test_bad_files_are_named_and_survived(pelton, model, tmp_path):
    for name in make_bad_models(tmp_path, model):
        for arguments in (["run", "-m", name, "Hi"], ["inspect", name]):
            done = pelton(*arguments)
            assert done.returncode == 1, f"{arguments}: {done.stderr}"
            assert done.stderr.startswith("pelton: error: ") and done.stderr.count("\n") == 1
            assert name in done.stderr
            assert done.stdout == ""
    done = pelton("run", "-m", "no-weights", "Hi")
    assert done.returncode == 1 and "no-weights" in done.stderr
    done = pelton("inspect", "no-weights")
    assert done.returncode == 0 and re.search("^Runs +no: .*safetensors", done.stdout, re.MULTILINE)


def test_a_model_without_a_tokenizer_says_what_it_can_do(pelton):
    done = pelton("run", "-m", GOLDEN / "arch/llama", "Hi")
    assert done.returncode == 1
    assert "no tokenizer" in done.stderr and "pelton verify" in done.stderr


def test_an_unknown_instruction_set_is_refused(pelton, model):
    done = pelton("run", "-m", model, "Hi", env={"PELTON_ISA": "mmx"})
    assert done.returncode == 2
    assert "mmx" in done.stderr
