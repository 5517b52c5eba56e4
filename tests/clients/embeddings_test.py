"""/v1/embeddings, of an encoder and of a model that chats."""

import base64
import concurrent.futures
import json
import math
import struct

import openai
import pytest

from conftest import CONTEXT_LENGTH, ROOT, SERVED_NAME

FOLDER = ROOT / "tests/golden/encoder"
TEXTS = json.loads((FOLDER / "texts.json").read_text())["texts"]


def read_expected() -> list[list[float]]:
    data = (FOLDER / "bert/expected.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8 : 8 + size])["embeddings"]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    values = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    width = entry["shape"][1]
    return [list(values[i : i + width]) for i in range(0, len(values), width)]


def cosine(a, b) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.fixture(scope="session")
def encoder(encoder_server):
    with encoder_server.client() as made:
        yield made


def test_embeddings_are_the_references(encoder):
    # The client asks for base64 by itself and gives floats.
    answer = encoder.embeddings.create(model=SERVED_NAME, input=TEXTS)
    assert [item.index for item in answer.data] == list(range(len(TEXTS)))
    for item, expected in zip(answer.data, read_expected(), strict=True):
        assert cosine(item.embedding, expected) > 0.999999
        assert math.hypot(*item.embedding) == pytest.approx(1, abs=1e-5)
    assert answer.object == "list" and answer.model == SERVED_NAME
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 89


def test_each_form_of_input_gives_the_same(encoder):
    create = lambda text, **options: encoder.embeddings.create(model=SERVED_NAME, input=text, **options).data[0].embedding
    text = create("the cat", encoding_format="float")
    ids = [2, 5, 16, 3]  # [CLS] the cat [SEP]
    assert create(["the cat"]) == create(ids) == create([ids]) == pytest.approx(text, abs=1e-7)
    coded = encoder.embeddings.create(model=SERVED_NAME, input="the cat", encoding_format="base64").data[0].embedding
    assert list(struct.unpack(f"<{len(text)}f", base64.b64decode(coded))) == pytest.approx(text, abs=1e-7)


def test_what_is_refused(encoder):
    with pytest.raises(openai.BadRequestError) as long:
        encoder.embeddings.create(model=SERVED_NAME, input="cat " * 100)
    assert long.value.code == "context_length_exceeded" and long.value.param == "input"
    with pytest.raises(openai.BadRequestError) as short:
        encoder.embeddings.create(model=SERVED_NAME, input="cat", dimensions=8)
    assert short.value.param == "dimensions" and "Matryoshka" in short.value.message
    with pytest.raises(openai.BadRequestError) as chat:
        encoder.chat.completions.create(model=SERVED_NAME, messages=[{"role": "user", "content": "Hi"}])
    assert "/v1/embeddings" in chat.value.message


def test_clients_share_steps(encoder, encoder_server):
    alone = {text: encoder.embeddings.create(model=SERVED_NAME, input=text).data[0].embedding for text in TEXTS}
    before = encoder_server.health()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        create = lambda i: encoder.embeddings.create(model=SERVED_NAME, input=[TEXTS[i % 6], TEXTS[(i + 1) % 6]])
        answers = list(pool.map(create, range(48)))
    for i, answer in enumerate(answers):
        # Rows do not see each other: to the bit.
        assert [item.embedding for item in answer.data] == [alone[TEXTS[i % 6]], alone[TEXTS[(i + 1) % 6]]]
    assert encoder_server.wait_until_idle()["steps"] - before["steps"] <= 48


def test_a_model_that_chats_gives_embeddings_too(server, client):
    texts = ["The cat sat on the mat.", "A cat was sitting on a rug.", "Interest rates rose by half a per cent."]
    answer = client.embeddings.create(model=SERVED_NAME, input=texts)
    near, far = (cosine(answer.data[0].embedding, answer.data[i].embedding) for i in (1, 2))
    assert near > far
    again = client.embeddings.create(model=SERVED_NAME, input=texts[1])
    assert again.data[0].embedding == answer.data[1].embedding
    with pytest.raises(openai.BadRequestError) as long:
        client.embeddings.create(model=SERVED_NAME, input=[1] * (CONTEXT_LENGTH + 1))
    assert long.value.code == "context_length_exceeded"
    # Longer than a step, so in chunks; while an answer is generated.
    with client.chat.completions.create(
        model=SERVED_NAME, messages=[{"role": "user", "content": "Count."}], max_tokens=20, stream=True
    ) as stream:
        long_text = client.embeddings.create(model=SERVED_NAME, input=[9] * 1000)
        assert sum(1 for _ in stream) > 1
    assert math.hypot(*long_text.data[0].embedding) == pytest.approx(1, abs=1e-5)
