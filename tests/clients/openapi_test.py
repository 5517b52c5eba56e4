"""The document at /openapi.json: valid, and true of the parsers that it was made with."""

import json
import urllib.request

import openapi_spec_validator
import pytest
from conftest import SERVED_NAME, TIMEOUT_S

# What a field needs beside it.
COMPANIONS = {
    "top_logprobs": {"logprobs": True},
    "stream_options": {"stream": True},
    "mirostat_tau": {"mirostat": 2},
    "mirostat_eta": {"mirostat": 2},
    "length_penalty": {"use_beam_search": True},
    "early_stopping": {"use_beam_search": True},
}
CHAT = [{"role": "user", "content": "Hi"}]
BASES = {
    "/v1/chat/completions": {"messages": CHAT, "max_tokens": 1},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 1},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 1},
    "/v1/messages": {"messages": CHAT, "max_tokens": 1},
    "/v1/messages/count_tokens": {"messages": CHAT},
    "/v1/embeddings": {"input": "Hi"},
    "/tokenize": {"prompt": "Hi"},
    "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": CHAT},
}
# Values that this model or request cannot have, by what its refusal says.
REFUSALS = {"reasoning_effort", "thinking", "output_config", "tool_choice", "reasoning", "reasoning_budget", "thinking_token_budget", "dimensions"}
# What a schema cannot say: the string is one of JSON.
EXAMPLES = {"guided_json": [None, {"type": "object"}, '{"type": "object"}'], "guided_grammar": [None, 'start: "a"'], "model": [SERVED_NAME]}


@pytest.fixture(scope="module")
def document(server):
    with urllib.request.urlopen(server.url + "/openapi.json", timeout=TIMEOUT_S) as response:
        assert response.headers["Content-Type"] == "application/json"
        return json.load(response)


def examples(schema: dict):
    """Some values that a schema allows."""
    if "const" in schema:
        yield schema["const"]
    elif "enum" in schema:
        yield from schema["enum"]
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from examples(choice)
    else:
        kinds = schema.get("type", "string")
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            yield from examples_of_type(kind, schema)


def examples_of_type(kind: str, schema: dict):
    if kind == "null":
        yield None
    elif kind == "boolean":
        yield from (False, True)
    elif kind in ("integer", "number"):
        yield schema.get("minimum", 0.5 if "exclusiveMinimum" in schema else 1)
        yield schema["maximum"] if schema.get("maximum", 1e9) < 1e6 else max(1, schema.get("minimum", 1))
    elif kind == "string":
        yield "a"
    elif kind == "array":
        yield [next(examples(schema["items"]))] if schema.get("minItems") or schema.get("maxItems", 1) and "items" in schema else []
    elif kind == "object":
        properties = schema.get("properties", {})
        yield {name: next(examples(properties[name])) for name in schema.get("required", [])}


def body_schema(document: dict, path: str) -> dict:
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_it_is_valid(document):
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1")


def test_it_names_every_route_once(document):
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    posts = {path for path, operations in document["paths"].items() if "post" in operations}
    tuning = {path for path in posts if path.startswith(("/v1/files", "/v1/fine_tuning/"))}  # fine_tuning_test.py
    assert "/v1/fine_tuning/jobs/{id}/cancel" in tuning
    assert posts - tuning == set(BASES) | {"/classify", "/v1/rerank", "/v2/rerank", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"}
    assert {"/health", "/metrics", "/openapi.json", "/v1/models/{id}"} <= set(document["paths"])


@pytest.mark.parametrize("path", BASES)
def test_each_documented_field_is_taken(server, document, path):
    schema = body_schema(document, path)
    assert set(BASES[path]) <= set(schema["properties"])
    refused = []
    for name, property_schema in schema["properties"].items():
        for value in EXAMPLES.get(name) or examples(property_schema):
            if value is None and name in (*BASES[path], "content"):
                continue  # one of several that must be there
            companions = {key: entry for key, entry in COMPANIONS.get(name, {}).items() if key in schema["properties"]}
            body = BASES[path] | companions | {name: value}
            if path == "/tokenize" and name not in BASES[path] | {"add_special_tokens": 1}:
                body = {"messages": CHAT, name: value}
            if name == "deadline_ms":
                body[name] = 60_000  # the least is over before an answer is there
            if body.get("stream"):
                continue  # its answer is no JSON; the other tests stream
            if name in ("content", "max_completion_tokens"):  # another name of one that is there
                body = {key: entry for key, entry in body.items() if key not in ("prompt", "messages", "max_tokens")}
                body |= {"messages": CHAT} if name == "max_completion_tokens" else {}
            status, _, answer = server.post(path, body)
            if status != 200:
                refused.append((name, value, status, answer["error"]["message"]))
    # What the parsers take and this model has not, by its name.
    wrong = [entry for entry in refused if entry[0] not in REFUSALS or "unknown field" in entry[3]]
    assert not wrong


@pytest.mark.parametrize("path", BASES)
def test_what_is_not_documented_is_refused_by_its_name(server, document, path):
    schema = body_schema(document, path)
    assert schema["additionalProperties"] is False and "nonsense" not in schema["properties"]
    status, _, answer = server.post(path, BASES[path] | {"nonsense": 1})
    assert status == 400 and answer["error"]["message"] == "nonsense: unknown field"
    for name in schema.get("required", []):
        status, _, answer = server.post(path, {key: value for key, value in BASES[path].items() if key != name})
        assert status == 400 and answer["error"]["message"].startswith(name)
