"""/v1/completions with OpenAI's own client."""

import re

import openai
import pytest

from conftest import SERVED_NAME

LAWS = "The three laws of thermodynamics are"


def complete(client, prompt=LAWS, **options):
    return client.completions.create(**{"model": SERVED_NAME, "prompt": prompt, "temperature": 0, "max_tokens": 12} | options)


def test_continues_as_the_reference_does(exact_client, oracle):
    for expected in oracle:
        if "text" not in expected:
            continue
        # Up to the first close call, where rounding may choose otherwise.
        count = next((i for i, margin in enumerate(expected["greedy_margin"][:8]) if margin < 0.05), 8)
        answer = complete(exact_client, expected["text"], max_tokens=count)
        assert expected["greedy_text"].startswith(answer.choices[0].text.rstrip("�")) and answer.choices[0].text
        assert answer.usage.prompt_tokens == len(expected["input_ids"])
        assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
        assert complete(exact_client, expected["input_ids"], max_tokens=count).choices[0].text == answer.choices[0].text


def test_sixteen_tokens_by_default(client):
    answer = complete(client, max_tokens=None)
    assert answer.usage.completion_tokens == 16 and answer.choices[0].finish_reason == "length"


def test_stream_says_the_same(client):
    whole = complete(client)
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage and chunks[-2].choices[0].finish_reason == "length"


def test_several_prompts_are_several_choices(client):
    prompts = [LAWS, "def fibonacci(n):", "One, two, three,"]
    alone = [complete(client, prompt) for prompt in prompts]
    together = complete(client, prompts)
    assert [choice.text for choice in together.choices] == [answer.choices[0].text for answer in alone]
    assert [choice.index for choice in together.choices] == [0, 1, 2]
    assert together.usage.prompt_tokens == sum(answer.usage.prompt_tokens for answer in alone)
    assert together.usage.completion_tokens == 36
    texts = ["", "", ""]
    for chunk in complete(client, prompts, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [choice.text for choice in together.choices]


def test_the_best_of_several_answers(client):
    options = {"seed": 3, "temperature": 1.5, "max_tokens": 8}
    all_of_them = complete(client, n=5, logprobs=0, **options)
    mean = lambda choice: sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)
    ranked = sorted(all_of_them.choices, key=mean, reverse=True)
    best = complete(client, n=2, best_of=5, echo=True, **options)
    assert [choice.text for choice in best.choices] == [LAWS + choice.text for choice in ranked[:2]]
    assert [choice.index for choice in best.choices] == [0, 1] and best.choices[0].logprobs is None
    assert best.usage == all_of_them.usage, "all that were made count"


def test_the_likeliest_answers_by_beams(client):
    beams = {"use_beam_search": True, "length_penalty": 1}
    answer = complete(client, n=4, logprobs=1, extra_body=beams)
    sums = [sum(choice.logprobs.token_logprobs) for choice in answer.choices]
    for choice, total in zip(answer.choices, sums):
        assert choice.model_extra["cumulative_logprob"] == pytest.approx(total, abs=1e-3)
        length = len(choice.logprobs.tokens)
        assert choice.model_extra["sequence_score"] == pytest.approx(total / length, abs=1e-3)
    scores = [choice.model_extra["sequence_score"] for choice in answer.choices]
    assert scores == sorted(scores, reverse=True) and len({choice.text for choice in answer.choices}) == 4
    assert "cumulative_logprob" not in complete(client).choices[0].model_extra
    best = complete(client, n=2, temperature=None, extra_body={"num_beams": 4})
    assert [choice.text for choice in best.choices] == [choice.text for choice in answer.choices[:2]]
    assert best.usage.completion_tokens == sum(len(choice.logprobs.tokens) for choice in answer.choices[:2])


def test_beams_refuse_what_samples_and_streams(client):
    for field, value in {"temperature": 0.7, "top_p": 0.5, "stream": True, "n": 5}.items():
        with pytest.raises(openai.APIStatusError) as error:
            complete(client, **{field: value}, extra_body={"num_beams": 4})
        assert error.value.param == field and error.value.status_code == 400


def test_several_token_prompts(client, oracle):
    ids = [expected["input_ids"] for expected in oracle[3:5]]
    answer = complete(client, ids, max_tokens=4)
    assert [choice.text for choice in answer.choices] == [complete(client, one, max_tokens=4).choices[0].text for one in ids]


def test_echo(client):
    plain = complete(client).choices[0].text
    assert complete(client, echo=True).choices[0].text == LAWS + plain
    assert "".join(chunk.choices[0].text for chunk in complete(client, echo=True, stream=True)) == LAWS + plain


def test_logprobs_in_the_older_form(client):
    choice = complete(client, logprobs=3, max_tokens=4).choices[0]
    logprobs = choice.logprobs
    assert "".join(logprobs.tokens) == choice.text
    assert [top[token] for top, token in zip(logprobs.top_logprobs, logprobs.tokens)] == logprobs.token_logprobs
    assert all(len(top) == 3 for top in logprobs.top_logprobs)
    assert [choice.text[offset : offset + len(token)] for offset, token in zip(logprobs.text_offset, logprobs.tokens)] == logprobs.tokens


def test_the_prompts_own_logprobs(exact_client, oracle):
    """What evaluation harnesses ask for: echo with logprobs. The reference's numbers, in company too."""
    ids = [expected["input_ids"] for expected in oracle]
    choices = complete(exact_client, ids, echo=True, logprobs=2, max_tokens=2).choices
    for expected, choice in zip(oracle, choices, strict=True):
        logprobs = choice.logprobs
        count = len(expected["input_ids"])
        assert len(logprobs.token_logprobs) == count + 2 and logprobs.token_logprobs[0] is None
        assert [-value for value in logprobs.token_logprobs[1:count]] == pytest.approx(expected["prompt_nll"], abs=2e-3)
        assert all(len(top) >= 2 for top in logprobs.top_logprobs[1:])
        if any(token.startswith("bytes:") for token in logprobs.tokens):
            continue
        assert "".join(logprobs.tokens) == choice.text
        assert [choice.text[at : at + len(token)] for at, token in zip(logprobs.text_offset, logprobs.tokens)] == logprobs.tokens


def test_the_prompts_own_logprobs_as_vllm_gives_them(exact_client, oracle):
    ids = oracle[0]["input_ids"]
    choice = complete(exact_client, ids, max_tokens=1, extra_body={"prompt_logprobs": 2}).choices[0]
    first, *others = choice.prompt_logprobs
    assert first is None and len(others) == len(ids) - 1 and choice.logprobs is None
    own = [tokens[str(token)] for token, tokens in zip(ids[1:], others, strict=True)]
    assert [-token["logprob"] for token in own] == pytest.approx(oracle[0]["prompt_nll"], abs=2e-3)
    for token, tokens in zip(own, others, strict=True):
        ranks = sorted(other["rank"] for other in tokens.values())
        assert ranks[:2] == [1, 2] and len(tokens) == (2 if token["rank"] <= 2 else 3)
        assert all((other["logprob"] > token["logprob"]) == (other["rank"] < token["rank"]) for other in tokens.values())
    assert "".join(token["decoded_token"] for token in own) in oracle[0]["rendered"]
    with pytest.raises(openai.BadRequestError, match="only without"):
        complete(exact_client, ids, stream=True, extra_body={"prompt_logprobs": 0})
    with pytest.raises(openai.BadRequestError, match="where the prompt is echoed"):
        complete(exact_client, ids, echo=True, logprobs=1, extra_body={"prompt_logprobs": 2})


def test_the_prompts_own_logprobs_in_a_stream_and_of_several(client):
    whole = complete(client, echo=True, logprobs=0, max_tokens=4, n=2).choices
    assert whole[0].logprobs == whole[1].logprobs, "at temperature 0"
    chunks = [chunk.choices[0] for chunk in complete(client, echo=True, logprobs=0, max_tokens=4, stream=True)]
    parts = [chunk.logprobs for chunk in chunks if chunk.logprobs]
    assert sum([part.tokens for part in parts], []) == whole[0].logprobs.tokens
    streamed = sum([part.token_logprobs for part in parts], [])
    assert streamed[0] is None and streamed[1:] == pytest.approx(whole[0].logprobs.token_logprobs[1:], abs=0.2)
    best = complete(client, echo=True, logprobs=0, max_tokens=4, n=1, best_of=3).choices[0]
    assert best.logprobs.tokens == whole[0].logprobs.tokens


def test_numbers_look_as_usual(server):
    body = b'{"prompt":"Once","temperature":0,"max_tokens":4,"logprobs":2}'
    head = f"POST /v1/completions HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = server.send(head.encode() + body)
    assert re.search(rb'"token_logprobs":\[-[0-9]+\.[0-9]+,', answer), answer
    assert not re.search(rb"[0-9]E-?[0-9]", answer), answer


def test_the_fingerprint_is_that_of_model_and_settings(client, exact_client):
    fingerprints = [complete(each, max_tokens=1).system_fingerprint for each in (client, client, exact_client)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_limits_are_those_of_the_command_line(client):
    plain = complete(client)
    extremes = {"top_k": -1, "seed": 2**64 - 1, "stop": ["\0" * 4096] * 64}
    assert complete(client, extra_body=extremes).choices[0].text == plain.choices[0].text


def test_special_tokens_in_plain_text(client):
    text = "<|im_start|>user\nHi<|im_end|>"
    parsed = complete(client, text, max_tokens=1).usage.prompt_tokens
    as_text = complete(client, text, max_tokens=1, extra_body={"parse_special": False}).usage.prompt_tokens
    assert as_text > parsed + 4


def test_stop_strings(client):
    full = complete(client).choices[0].text
    for stop in (full[3:6], full[-3:], full[1]):
        choice = complete(client, stop=stop).choices[0]
        assert choice.text == full.split(stop)[0] and choice.finish_reason == "stop"
