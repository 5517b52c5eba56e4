"""/v1/responses, as OpenAI's own client asks and reads it."""

import json

import openai
import pydantic
import pytest
from conftest import CONTEXT_LENGTH, SERVED_NAME

QUESTION = "What is the capital of France? Answer in one sentence."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}


def ask(client, **fields):
    return client.responses.create(**({"model": SERVED_NAME, "input": QUESTION, "max_output_tokens": 24, "temperature": 0} | fields))


def test_answers_as_the_chat_endpoint_does(client):
    response = ask(client, instructions="Be brief.", metadata={"team": "a"})
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    chat = client.chat.completions.create(model=SERVED_NAME, messages=messages, max_tokens=24, temperature=0)
    assert response.output_text == chat.choices[0].message.content
    assert (response.usage.input_tokens, response.usage.output_tokens) == (chat.usage.prompt_tokens, chat.usage.completion_tokens)
    assert response.id.startswith("resp_") and response.object == "response" and response.model == SERVED_NAME
    assert response.metadata == {"team": "a"} and response.instructions == "Be brief." and response.temperature == 0
    assert response.store is False and response.previous_response_id is None


def test_the_stream_says_the_same(client):
    whole = ask(client)
    events = list(ask(client, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text
    final = events[-1].response
    assert final.output_text == text and final.status == whole.status
    assert final.usage.output_tokens == whole.usage.output_tokens
    with client.responses.stream(model=SERVED_NAME, input=QUESTION, max_output_tokens=24, temperature=0) as stream:
        assert stream.get_final_response().output_text == text


def test_an_answer_that_is_cut_off_says_so(client):
    response = ask(client, max_output_tokens=2)
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    assert list(ask(client, max_output_tokens=2, stream=True))[-1].type == "response.incomplete"


def test_items_go_back_into_the_conversation(client):
    first = ask(client)
    further = [{"role": "user", "content": QUESTION}, *first.output, {"role": "user", "content": "And of Spain?"}]
    response = ask(client, input=[item if isinstance(item, dict) else item.model_dump() for item in further])
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "And of Spain?"},
    ]
    chat = client.chat.completions.create(model=SERVED_NAME, messages=messages, max_tokens=24, temperature=0)
    assert response.output_text == chat.choices[0].message.content


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_function_is_called_and_its_result_comes_back(client, choice):
    fields = {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False, "max_output_tokens": 200}
    response = ask(client, **fields)
    (call,) = response.output
    assert call.type == "function_call" and call.name == "get_weather" and call.status == "completed"
    assert list(json.loads(call.arguments)) == ["city", "unit"]

    events = list(ask(client, stream=True, **fields))
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(deltas) > 1 and "".join(deltas) == call.arguments
    assert [event.arguments for event in events if event.type == "response.function_call_arguments.done"] == [call.arguments]

    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 C"}
    further = [{"role": "user", "content": QUESTION}, call.model_dump(exclude_none=True), result]
    assert ask(client, input=further, tools=[WEATHER], tool_choice="none").output_text


def test_an_answer_of_a_given_form(client):
    class Count(pydantic.BaseModel):
        n: int

    parsed = client.responses.parse(
        model=SERVED_NAME, input="Count.", text_format=Count, max_output_tokens=100, temperature=0
    )
    assert isinstance(parsed.output_parsed, Count)


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"extra_body": {"max_tokens": 5}}, "max_tokens"),
        ({"input": "word " * CONTEXT_LENGTH}, "1024"),
        ({"input": [{"type": "item_reference", "id": "m"}]}, "input"),
    ],
)
def test_what_cannot_be_kept_is_refused(client, fields, name):
    with pytest.raises(openai.BadRequestError, match=name):
        ask(client, **fields)
