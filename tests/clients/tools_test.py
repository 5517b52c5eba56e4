"""Calls of tools, as the real client asks for them and reads them."""

import json

import openai
import pytest
from conftest import SERVED_NAME

MESSAGES = [{"role": "user", "content": "What is the weather in Paris?"}]


def tool(name: str, **properties) -> dict:
    parameters = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": parameters}}


WEATHER = tool("get_weather", city={"type": "string", "maxLength": 30}, unit={"enum": ["C", "F"]})
TIME = tool("get_time", zone={"type": "integer", "minimum": -12, "maximum": 14})


def ask(client, **fields):
    arguments = dict(
        model=SERVED_NAME, messages=MESSAGES, tools=[WEATHER, TIME], temperature=0, max_tokens=200,
        parallel_tool_calls=False,
    )  # fmt: skip
    return client.chat.completions.create(**(arguments | fields))


def check_call(name: str, arguments: str) -> None:
    values = json.loads(arguments)
    if name == "get_weather":
        assert list(values) == ["city", "unit"] and values["unit"] in ("C", "F") and len(values["city"]) <= 30
    else:
        assert name == "get_time" and list(values) == ["zone"] and -12 <= values["zone"] <= 14


@pytest.mark.parametrize("temperature", [0, 1.2])
def test_required_calls_a_tool_with_arguments_of_its_schema(client, temperature):
    choice = ask(client, tool_choice="required", temperature=temperature, seed=1).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    (call,) = choice.message.tool_calls
    assert call.type == "function" and len(call.id) == 9
    check_call(call.function.name, call.function.arguments)


def test_a_named_tool_is_the_one_that_is_called_also_in_a_stream(client):
    fields = {"tool_choice": {"type": "function", "function": {"name": "get_time"}}}
    (whole,) = ask(client, **fields).choices[0].message.tool_calls
    assert whole.function.name == "get_time"
    check_call("get_time", whole.function.arguments)

    chunks = [chunk.choices[0] for chunk in ask(client, stream=True, **fields)]
    deltas = [call for chunk in chunks for call in chunk.delta.tool_calls or []]
    assert [call.function.name for call in deltas if call.function.name] == ["get_time"]
    assert all(call.index == 0 for call in deltas) and deltas[0].id
    assert "".join(call.function.arguments or "" for call in deltas) == whole.function.arguments
    assert not any(chunk.delta.content for chunk in chunks)
    assert chunks[-1].finish_reason == "tool_calls"


def test_the_clients_stream_helper_sees_the_call(client):
    with client.chat.completions.stream(
        model=SERVED_NAME, messages=MESSAGES, tools=[WEATHER], tool_choice="required", temperature=0, max_tokens=200,
        parallel_tool_calls=False,
    ) as stream:  # fmt: skip
        completion = stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls
    check_call(call.function.name, call.function.arguments)


def test_none_and_auto_may_answer_in_words(client):
    for choice in ("none", "auto"):
        answer = ask(client, tool_choice=choice, max_tokens=20).choices[0]
        assert answer.message.content or answer.message.tool_calls
        assert choice == "auto" or not answer.message.tool_calls


def test_a_call_and_its_result_go_back_into_the_conversation(client):
    (call,) = ask(client, tool_choice="required").choices[0].message.tool_calls
    messages = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21}'},
    ]
    answer = ask(client, messages=messages, tool_choice="none", max_tokens=20).choices[0]
    assert answer.message.content


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tools": [tool("f", x={"not": {}})], "tool_choice": "required"}, "not"),
        ({"tools": [tool(f"t{i}") for i in range(129)]}, "128"),
        ({"extra_body": {"reasoning_budget": 5}}, "reasoning_budget"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
    ],
)
def test_what_cannot_be_kept_is_refused(client, fields, name):
    with pytest.raises(openai.BadRequestError, match=name):
        ask(client, **fields)
