"""Answers of a given form, as the real client asks for them."""

import json
import re
import subprocess

import pydantic
import pytest
from conftest import SERVED_NAME, find_demo_model, find_program

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "colours"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "user", "content": "Describe a person."}]


def check_person(text: str) -> None:
    person = json.loads(text)
    assert list(person) == ["name", "age", "colours"]
    assert len(person["name"]) <= 20 and 0 <= person["age"] <= 150
    assert 1 <= len(person["colours"]) <= 3 and set(person["colours"]) <= {"red", "green", "blue"}


@pytest.mark.parametrize("temperature", [0, 1, 1.5])
def test_a_schema_holds_at_any_temperature_and_in_a_stream(client, temperature):
    arguments = dict(
        model=SERVED_NAME, messages=MESSAGES, temperature=temperature, seed=1, max_tokens=300,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
    )  # fmt: skip
    answer = client.chat.completions.create(**arguments).choices[0]
    assert answer.finish_reason == "stop"
    check_person(answer.message.content)
    chunks = list(client.chat.completions.create(**arguments, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.message.content


def test_the_clients_own_models_are_parsed(client):
    class Answer(pydantic.BaseModel):
        is_blue: bool
        how_many: int

    answer = client.chat.completions.parse(
        model=SERVED_NAME, messages=MESSAGES, response_format=Answer, temperature=0, max_tokens=100
    )
    assert isinstance(answer.choices[0].message.parsed, Answer)


def test_json_objects_choices_expressions_and_grammars(client):
    def ask(**fields):
        return (
            client.chat.completions.create(
                model=SERVED_NAME, messages=MESSAGES, temperature=0, max_tokens=60, extra_body=fields
            )
            .choices[0]
            .message.content
        )

    assert ask(guided_choice=["yes", "no"]) in ("yes", "no")
    assert re.fullmatch(r"[a-f]{3}-\d{4}", ask(structured_outputs={"regex": r"[a-f]{3}-\d{4}"}))
    assert re.fullmatch(r"\((x|\(x\))\)", ask(guided_grammar='root ::= "(" (root2 | "x") ")"\nroot2 ::= "(x)"'))
    assert re.fullmatch(r"(ab){1,5}c", ask(guided_grammar="start: /(ab){1,5}c/"))
    assert ask(response_format={"type": "json_object"}).startswith("{")


def test_completions_follow_forms_too(client):
    answer = client.completions.create(
        model=SERVED_NAME, prompt=["One:", "Two:"], max_tokens=20, extra_body={"guided_choice": ["1", "2"]}
    )
    assert {choice.text for choice in answer.choices} <= {"1", "2"}


def test_the_command_line_asks_for_forms():
    def run(*options):
        program = subprocess.run(
            [find_program(), "run", "-m", find_demo_model(), "Describe a person.", *options],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return program.returncode, program.stdout.strip(), program.stderr

    check_person(run("--schema", json.dumps(SCHEMA))[1])
    assert run("--choice", "yes", "--choice", "no")[1] in ("yes", "no")
    assert re.fullmatch("a+b", run("--regex", "a{1,5}b")[1])
    code, _, problem = run("--schema", '{"uniqueItems": true}')
    assert code == 2 and "uniqueItems" in problem


def test_inspect_schema_says_what_holds(tmp_path):
    def inspect(*options, **arguments):
        return subprocess.run(
            [find_program(), "inspect", "schema", *options], capture_output=True, text=True, timeout=60, **arguments
        )

    report = inspect('{"type": "object", "title": "t", "x": 1}', "--json")
    assert report.returncode == 0
    assert {keyword["path"]: keyword["support"] for keyword in json.loads(report.stdout)["keywords"]} == {
        "#/type": "enforced", "#/title": "annotation", "#/x": "ignored",
    }  # fmt: skip
    (tmp_path / "s.json").write_text('{"not": {"type": "null"}}')
    refused = inspect(tmp_path / "s.json")
    assert refused.returncode == 1 and "refused    #/not" in refused.stdout
    checked = inspect('{"type": "integer"}', "--accepts", "-", input='1\n"a"\n-5\n')
    assert checked.stdout.split("\n")[:3] == ["accepted", "not accepted", "accepted"] and checked.returncode == 1
